import {
  type BatchVerdict,
  type Compression,
  decodeBatch,
  type Epoch,
  type GatewayId,
  type LedgerRecord,
  type Run,
} from '@biotrakr/shared'

import type { Arrival } from './intake.ts'

/** A batch whose run can be believed: what it holds, or why its content cannot be read. */
export interface Delivery {
  readonly gateway: GatewayId
  readonly epoch: Epoch
  readonly first: number
  readonly last: number
  /** The batch as it was sent. */
  readonly bytes: Uint8Array
  /** When it came from the broker, monotonic milliseconds. */
  readonly atMs: number
  readonly content:
    | { readonly ok: true; readonly records: readonly LedgerRecord[] }
    | { readonly ok: false; readonly code: string; readonly detail: string }
}

/** Bytes from which nothing is recorded, kept as evidence. Neither acknowledged nor counted as received. */
export interface Stray {
  readonly gateway: GatewayId
  readonly code: string
  readonly detail: string
  readonly bytes: Uint8Array
}

export type Classified = { readonly delivery: Delivery } | { readonly stray: Stray }

/**
 * Longest run that is set aside whole when its content cannot be read. A checksum proves that bytes arrived as they were
 * sent, not that the sender counted right: a run of 2^50 must not close an epoch for ever.
 */
const MAX_UNREADABLE_RUN = 100_000

/**
 * Decodes one ledger message and decides what may be done with it. Never throws.
 * @param arrival its gateway is the sender as the broker verified it: the gateway segment of the topic
 */
export function classify({ gateway, bytes, atMs }: Arrival, compression: Compression): Classified {
  const verdict = decodeBatch(bytes, compression)
  const run = trustedRun(verdict)
  if (run === undefined) {
    const { code, detail } = verdict.ok ? { code: 'WIRE_RUN', detail: '' } : verdict
    return { stray: { gateway, bytes, code, detail } }
  }
  if (run.gateway !== gateway) {
    const detail = `the topic says ${gateway}, the envelope ${run.gateway}`
    return { stray: { gateway, bytes, code: 'FOREIGN_GATEWAY', detail } }
  }
  const content = verdict.ok
    ? { ok: true as const, records: verdict.batch.records }
    : { ok: false as const, code: verdict.code, detail: verdict.detail }
  return { delivery: { gateway, epoch: run.epoch, first: run.first, last: run.last, bytes, atMs, content } }
}

function trustedRun(verdict: BatchVerdict): Run | undefined {
  if (verdict.ok) return verdict.batch
  const { run } = verdict
  return run && run.last - run.first < MAX_UNREADABLE_RUN ? run : undefined
}
