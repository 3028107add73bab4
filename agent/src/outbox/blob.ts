import type { KeyObject } from 'node:crypto'
import { brotliCompressSync, brotliDecompressSync, constants, deflateRawSync, inflateRawSync } from 'node:zlib'

import { type Compression, decodeBatch, MAX_BATCH_BYTES } from '@biotrakr/shared'

import type { Dictionary } from './dictionaries.ts'
import { type Entry, RANK, rankOfKind } from './rank.ts'
import { type GroupLabel, seal, unseal } from './seal.ts'

/** Encodes batches that a blob compresses as a whole. */
export const uncompressed: Compression = { deflate: (bytes) => bytes, inflate: () => undefined }

/**
 * Without a dictionary 200 fixes about 200 tags of a ward take 3.6 kB in Brotli of quality 4 and 4.0 kB in deflate; with
 * one 1.8 kB in deflate, since all names and the columns' layout are in it. Node's Brotli takes no dictionary.
 */
const BROTLI = {
  params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_LGWIN]: 18 },
}
const DEFLATE_LEVEL = 6

interface Lock {
  readonly key: KeyObject
  readonly label: GroupLabel
  /** The one in force for the label's numbers, if there is one. */
  readonly dictionary: Dictionary | undefined
}

/** Seals a wire batch behind one bit a record: whether it is a room change, which the record itself does not tell. */
export function sealBlob(message: Uint8Array, entries: readonly Entry[], { key, label, dictionary }: Lock): Uint8Array {
  if (!dictionary) return seal(behindRanks(brotliCompressSync(message, BROTLI), entries), key, { ...label, form: 2 })
  const batch = deflateRawSync(message, { level: DEFLATE_LEVEL, dictionary: dictionary.bytes })
  return seal(behindRanks(batch, entries), key, { ...label, form: 3, dictionary: dictionary.id })
}

function behindRanks(batch: Uint8Array, entries: readonly Entry[]): Uint8Array {
  const last = entries.findLastIndex(({ rank }) => rank === RANK.roomChange)
  const length = Math.ceil((last + 1) / 8)
  const plain = new Uint8Array(2 + length + batch.length)
  plain[0] = length & 0xff
  plain[1] = length >> 8
  for (const [i, { rank }] of entries.entries()) {
    if (rank === RANK.roomChange) plain[2 + (i >> 3)] = (plain[2 + (i >> 3)] ?? 0) | (1 << (i & 7))
  }
  plain.set(batch, 2 + length)
  return plain
}

/** @returns undefined when the blob is not what was stored under this label with this key, in whatever form */
export function openBlob(
  blob: Uint8Array,
  { compression, ...lock }: Lock & { readonly compression: Compression },
): readonly Entry[] | undefined {
  const ranked = ranksAndBatch(blob, lock)
  if (!ranked) return undefined
  const { label } = lock
  const verdict = decodeBatch(ranked.batch, compression)
  if (!verdict.ok || verdict.batch.first !== label.first || verdict.batch.last !== label.last) return undefined
  const { bits } = ranked
  const isChange = (i: number): boolean => bits === undefined || (((bits[i >> 3] ?? 0) >> (i & 7)) & 1) === 1
  return verdict.batch.records.map((record, i) => ({ record, rank: rankOfKind(record, isChange(i)) }))
}

interface Ranked {
  readonly batch: Uint8Array
  readonly bits: Uint8Array | undefined
}

function ranksAndBatch(blob: Uint8Array, { key, label, dictionary }: Lock): Ranked | undefined {
  if (dictionary) {
    const newest = unseal(blob, key, { ...label, form: 3, dictionary: dictionary.id })
    const limits = { dictionary: dictionary.bytes, maxOutputLength: MAX_BATCH_BYTES }
    if (newest) return split(newest, (batch) => inflateRawSync(batch, limits))
  }
  const plain = unseal(blob, key, { ...label, form: 2 })
  if (plain) return split(plain, (batch) => brotliDecompressSync(batch, { maxOutputLength: MAX_BATCH_BYTES }))
  const oldest = unseal(blob, key, { ...label, form: 1 })
  return oldest && { batch: oldest, bits: undefined }
}

function split(plain: Uint8Array, inflate: (batch: Uint8Array) => Uint8Array): Ranked | undefined {
  const length = (plain[0] ?? 0) | ((plain[1] ?? 0) << 8)
  if (2 + length > plain.length) return undefined
  try {
    return { bits: plain.subarray(2, 2 + length), batch: inflate(plain.subarray(2 + length)) }
  } catch {
    return undefined
  }
}
