import type { KeyObject } from 'node:crypto'
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'

import { type Compression, decodeBatch, MAX_BATCH_BYTES } from '@biotrakr/shared'

import { type Entry, RANK, rankOfKind } from './rank.ts'
import { type Label, unseal } from './seal.ts'

/** Encodes batches that `withRanks` compresses as a whole. */
export const uncompressed: Compression = { deflate: (bytes) => bytes, inflate: () => undefined }

/** Quality 4: 200 fixes about 200 tags of a ward take 3.7 kB, in deflate of level 1 they take 4.3 kB. */
const BROTLI = {
  params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_LGWIN]: 18 },
}

/** A wire batch behind one bit a record: whether it is a room change, which the record itself does not tell. */
export function withRanks(message: Uint8Array, entries: readonly Entry[]): Uint8Array {
  const batch = brotliCompressSync(message, BROTLI)
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

interface Lock {
  readonly key: KeyObject
  /** In the newest form; a blob of an older one is found by trying. */
  readonly label: Label
  readonly compression: Compression
}

/** @returns undefined when the blob is not what was stored under this label with this key */
export function openBlob(blob: Uint8Array, { key, label, compression }: Lock): readonly Entry[] | undefined {
  const plain = unseal(blob, key, label)
  const old = plain ? undefined : unseal(blob, key, { ...label, form: 1 })
  const ranked: Ranked | undefined = plain ? split(plain) : old && { batch: old, bits: undefined }
  if (!ranked) return undefined
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

function split(plain: Uint8Array): Ranked | undefined {
  const length = (plain[0] ?? 0) | ((plain[1] ?? 0) << 8)
  if (2 + length > plain.length) return undefined
  try {
    const batch = brotliDecompressSync(plain.subarray(2 + length), { maxOutputLength: MAX_BATCH_BYTES })
    return { bits: plain.subarray(2, 2 + length), batch }
  } catch {
    return undefined
  }
}
