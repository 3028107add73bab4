import type { FramerCounters, TagReport } from '@biotrakr/firmware-profiles'

import type { AntennaTrouble } from './reader-antennas.ts'
import type { ReaderAlarm, ReaderIdentity } from './reader-facts.ts'

/** What happened on the line. `monoMs`: monotonic milliseconds, never stepping back. */
export type SessionEvent =
  /** The line is open, at the rate the session named. */
  | { readonly kind: 'opened' | 'closed' | 'timer' | 'stop'; readonly monoMs: number }
  | { readonly kind: 'bytes'; readonly monoMs: number; readonly bytes: Uint8Array }

/**
 * Why a session ended: `silent` nothing comes, or no answer; `noise` bytes come, but no frame is among them; `refused` the
 * reader said no to its settings; `fault` the reader reported that it cannot work; `restarts` it keeps starting anew.
 */
export type SessionFailure = 'silent' | 'noise' | 'refused' | 'fault' | 'restarts'

export type SessionAction =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  /** Set the line to this rate, then tell `opened`. */
  | { readonly kind: 'baud'; readonly baud: number }
  | { readonly kind: 'tags'; readonly tags: readonly TagReport[] }
  | { readonly kind: 'identified'; readonly identity: ReaderIdentity }
  /** The inventory runs. */
  | { readonly kind: 'running' }
  /** The reader is there, and will not be started for want of a region. */
  | { readonly kind: 'held' }
  | { readonly kind: 'alarm'; readonly alarm: ReaderAlarm }
  | { readonly kind: 'notice'; readonly text: string }
  /** The session is over: close the line, open it again later. */
  | { readonly kind: 'fail'; readonly failure: SessionFailure; readonly why: string }
  /** The radio is off and what was changed is restored, as far as the reader answered. */
  | { readonly kind: 'stopped' }

export type SessionPhase = 'closed' | 'opening' | 'probing' | 'setup' | 'held' | 'running' | 'stopping'

export interface SessionStatus {
  readonly phase: SessionPhase
  readonly baud: number
  readonly identity: ReaderIdentity
  readonly measured: Readonly<Record<string, number>>
  readonly alarm: ReaderAlarm | undefined
  /** Over all openings. */
  readonly framer: FramerCounters
  /** Monotonic time of the last whole frame since the line was opened. */
  readonly lastFrameMs: number | undefined
  /** True while a silence that lasts ends the session. */
  readonly watchesSilence?: boolean
  /** Bytes since the last whole frame, or since the line was opened. */
  readonly noiseBytes: number
  /** Times the reader started anew by itself. */
  readonly restarts: number
  /** Error reports of the reader beyond mere information. */
  readonly complaints: number
  /** Commands kept back for want of a region. */
  readonly withheld: number
  /** Antennas that the reader refuses to work with. */
  readonly antennaTroubles: readonly AntennaTrouble[]
  /** Settings not written to the reader's memory because it had them. */
  readonly spared: number
}
