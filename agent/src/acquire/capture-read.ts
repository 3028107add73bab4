import { closeSync, openSync, readSync } from 'node:fs'
import { crc32, inflateRawSync } from 'node:zlib'

import { BioTrakrError } from '@biotrakr/shared'

import {
  BLOCK,
  BLOCK_HEAD_BYTES,
  type CaptureStep,
  MAGIC,
  MAX_BLOCK_BYTES,
  parsed,
  stepOfLine,
  VERSION,
} from './capture-format.ts'

export interface OpenCapture {
  /** As it was written; whoever uses it checks it. */
  readonly header: unknown
  /** Every step up to the end, or up to the cut or the damage. Read as it is asked for; may be asked for once. */
  readonly steps: Generator<CaptureStep, CaptureEnd, void>
}

/**
 * `whole`: it ends as it was written. `cut`: it stops within or after a block, as after a crash or a full disk. `damaged`:
 * a block is not what was written; what is behind it is not read, for answers would be given on half of what was heard.
 */
export type CaptureEnd = 'whole' | 'cut' | 'damaged'

/**
 * Opens a capture file.
 * @throws BioTrakrError CAPTURE_UNREADABLE when it cannot be read, is none, or has no whole header
 */
export function openCapture(path: string): OpenCapture {
  const blocks = blocksOf(path)
  const first = blocks.next()
  if (first.done || first.value.kind !== BLOCK.header) {
    blocks.return('damaged')
    throw unreadable(path, 'It is cut off or damaged before its first step, or is no capture of this version.')
  }
  return { header: parsed(first.value.text), steps: stepsOf(blocks) }
}

function* stepsOf(blocks: Generator<Block, CaptureEnd, void>): Generator<CaptureStep, CaptureEnd, void> {
  for (let next = blocks.next(); ; next = blocks.next()) {
    if (next.done) return next.value
    const { kind, text } = next.value
    if (kind === BLOCK.end) return 'whole'
    if (kind !== BLOCK.steps) return 'damaged'
    for (const line of text.split('\n')) {
      if (line === '') continue
      const step = stepOfLine(line)
      if (step === undefined) return 'damaged'
      yield step
    }
  }
}

interface Block {
  readonly kind: number
  readonly text: string
}

/** Whole blocks, one at a time; at most one of them in memory. */
function* blocksOf(path: string): Generator<Block, CaptureEnd, void> {
  const file = openFile(path)
  try {
    const start = take(file, MAGIC.length + 1)
    if (start?.toString('latin1', 0, MAGIC.length) !== MAGIC) throw unreadable(path, 'It is no capture.')
    if (start[MAGIC.length] !== VERSION) {
      throw unreadable(
        path,
        `It is a capture of version ${start[MAGIC.length]}; this program knows version ${VERSION}.`,
      )
    }
    for (;;) {
      const head = take(file, BLOCK_HEAD_BYTES)
      if (head === undefined) return 'cut'
      const block = blockAfter(file, head)
      if (typeof block === 'string') return block
      yield block
    }
  } finally {
    closeSync(file)
  }
}

function blockAfter(file: number, head: Buffer): Block | CaptureEnd {
  const length = head.readUInt32LE(1)
  const rawLength = head.readUInt32LE(5)
  if (length > MAX_BLOCK_BYTES || rawLength > MAX_BLOCK_BYTES) return 'damaged'
  const stored = take(file, length)
  if (stored === undefined) return 'cut'
  const sum = head.readUInt32LE(BLOCK_HEAD_BYTES - 4)
  if (crc32(stored, crc32(head.subarray(0, BLOCK_HEAD_BYTES - 4))) !== sum) return 'damaged'
  try {
    const raw = inflateRawSync(stored, { maxOutputLength: Math.max(1, rawLength) })
    return raw.length === rawLength ? { kind: head.readUInt8(0), text: raw.toString('utf8') } : 'damaged'
  } catch {
    return 'damaged'
  }
}

/** @returns undefined when the file ends before so many bytes */
function take(file: number, length: number): Buffer | undefined {
  const chunks: Buffer[] = []
  // In pieces: a length that is not true must not cost its memory.
  for (let left = length; left > 0; ) {
    const chunk = Buffer.alloc(Math.min(left, 1_048_576))
    const size = readSync(file, chunk)
    if (size === 0) return undefined
    chunks.push(chunk.subarray(0, size))
    left -= size
  }
  return Buffer.concat(chunks)
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    throw unreadable(path, 'Check the path and who may read it.', cause)
  }
}

function unreadable(path: string, next: string, cause?: unknown): BioTrakrError {
  return new BioTrakrError(`cannot read ${path}`, { code: 'CAPTURE_UNREADABLE', next, cause })
}
