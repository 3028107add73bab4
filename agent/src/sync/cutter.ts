import { type Batch, type Compression, encodeBatch, formatEpoch } from '@biotrakr/shared'

import type { Position } from './window.ts'

interface Source {
  peek(after: Position | undefined, limit: { readonly records: number }): Batch | undefined
}

export type Cut =
  | {
      readonly kind: 'batch'
      readonly epoch: string
      readonly first: number
      readonly last: number
      readonly bytes: Uint8Array
    }
  | { readonly kind: 'nothing' }
  /** Even one record alone makes a message that is too large. */
  | { readonly kind: 'too large'; readonly bytes: number }

export interface Cutter {
  next(after: Position | undefined, maxBytes: number): Cut
}

/**
 * Cuts the ledger into messages of at most `maxBytes`. The record limit shrinks in proportion when a message comes out
 * too large, is remembered, and grows back slowly, so that hardly any batch is encoded twice.
 */
export function createCutter(source: Source, compression: Compression, maxRecords: number): Cutter {
  let limit = maxRecords
  const attempt = (after: Position | undefined, maxBytes: number): Cut | undefined => {
    const batch = source.peek(after, { records: limit })
    if (batch === undefined) return { kind: 'nothing' }
    const bytes = encodeBatch(batch, compression)
    if (bytes.length <= maxBytes) {
      if (bytes.length < maxBytes / 2) limit = Math.min(maxRecords, Math.ceil(limit * 1.25))
      return { kind: 'batch', epoch: formatEpoch(batch.epoch), first: batch.first, last: batch.last, bytes }
    }
    const records = batch.records.length
    if (records === 1) return { kind: 'too large', bytes: bytes.length }
    limit = Math.min(records - 1, Math.max(1, Math.floor((0.9 * records * maxBytes) / bytes.length)))
    return undefined
  }
  return {
    next(after, maxBytes) {
      let cut = attempt(after, maxBytes)
      while (cut === undefined) cut = attempt(after, maxBytes)
      return cut
    },
  }
}
