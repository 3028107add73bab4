import type { LlrpReaderInfo } from './llrp-capabilities.ts'
import type { AntennaPower } from './llrp-commands.ts'
import type { LlrpEventAction } from './llrp-events.ts'
import type { LlrpTagReport } from './llrp-report.ts'

/** What happened on the connection. `monoMs`: monotonic milliseconds, never stepping back. */
export type LlrpEvent =
  | { readonly kind: 'connected' | 'closed' | 'timer' | 'stop'; readonly monoMs: number }
  | { readonly kind: 'bytes'; readonly monoMs: number; readonly bytes: Uint8Array }

/**
 * Why a session ended: `region` and `settings` need a person; `occupied` another host has the reader; `refused` the reader
 * said no to a command; `silent` it stopped answering; `garbage` the bytes are not LLRP; `closed` the connection ended.
 */
export type LlrpFailure = 'region' | 'settings' | 'occupied' | 'refused' | 'silent' | 'garbage' | 'closed'

export type LlrpAction =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'tags'; readonly tags: readonly LlrpTagReport[] }
  | { readonly kind: 'identified'; readonly reader: LlrpReaderInfo }
  /** Tags are coming, each antenna with this power. */
  | { readonly kind: 'running'; readonly powers: readonly AntennaPower[] }
  | LlrpEventAction
  /** The session is over. `retry` false: nothing changes until a person changes the configuration or the reader. */
  | { readonly kind: 'fail'; readonly failure: LlrpFailure; readonly why: string; readonly retry: boolean }
  /** The reader has been told to stop and goodbye; `confirmed` false: it did not say that its radio is off. */
  | { readonly kind: 'stopped'; readonly confirmed: boolean }
  /** End the connection once everything sent before has left. */
  | { readonly kind: 'close' }

export interface LlrpCounters {
  readonly messages: number
  readonly malformed: number
  /** Messages of types, and parameters, that this driver does not know; parameters of vendors. */
  readonly unknownMessages: number
  readonly unknownParameters: number
  readonly customParameters: number
  /** Replies nobody waited for. */
  readonly strayReplies: number
  readonly keepalives: number
  readonly tags: number
  /** Tag reports without an EPC. */
  readonly nameless: number
}

/**
 * The host's side of one LLRP reader: brings it from the connection to running tags and back to a silent radio. It opens
 * nothing and reads no clock; after `fail` or `stopped` it waits for the next `connected`, which starts from the
 * beginning. Speaks version 1 (LLRP 1.0.1), which LLRP 1.1 readers understand, and reads both.
 */
export interface LlrpSession {
  /** @returns what to do now, in this order */
  handle(event: LlrpEvent): readonly LlrpAction[]
  /** Monotonic time at which a `timer` event is due; undefined when none is. Ask again after every event. */
  readonly wakeAtMs: number | undefined
  readonly counters: LlrpCounters
}
