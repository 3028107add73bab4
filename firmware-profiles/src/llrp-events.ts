import { findParameter, type LlrpParameter } from './llrp-parameters.ts'
import { attemptWords } from './llrp-words.ts'

export type LlrpEventAction =
  | { readonly kind: 'antenna'; readonly port: number; readonly connected: boolean }
  | { readonly kind: 'warning'; readonly text: string }

interface ReaderEvents {
  /** How the reader took a connection attempt; 0 is success. */
  readonly attempt?: { readonly status: number; readonly why: string }
  readonly closing: boolean
  /** The session's own ROSpec came to its end or was pushed aside. */
  readonly ended: boolean
  readonly seen: readonly LlrpEventAction[]
}

const STARTED = 0
const PREEMPTED = 2

/** What a READER_EVENT_NOTIFICATION says, in the terms of a session whose ROSpec is `roSpecId`. */
export function readEvents(children: readonly LlrpParameter[], roSpecId: number): ReaderEvents {
  const data = findParameter(children, 'ReaderEventNotificationData')?.children ?? []
  const attempt = findParameter(data, 'ConnectionAttemptEvent')?.fields.status
  const roSpec = findParameter(data, 'ROSpecEvent')?.fields
  const ended = roSpec !== undefined && roSpec.id === roSpecId && roSpec.event !== STARTED
  const seen: LlrpEventAction[] = []
  if (ended && roSpec.event === PREEMPTED) {
    seen.push({ kind: 'warning', text: `another inventory (ROSpec ${roSpec.preemptingId}) pushed this one aside` })
  }
  const antenna = findParameter(data, 'AntennaEvent')?.fields
  if (antenna !== undefined) seen.push({ kind: 'antenna', port: antenna.antenna, connected: antenna.event === 1 })
  seen.push(...warnings(data))
  return {
    ...(attempt === undefined ? {} : { attempt: { status: attempt, why: attemptWords(attempt) } }),
    closing: findParameter(data, 'ConnectionCloseEvent') !== undefined,
    ended,
    seen,
  }
}

function warnings(data: readonly LlrpParameter[]): LlrpEventAction[] {
  const found: LlrpEventAction[] = []
  const level = findParameter(data, 'ReportBufferLevelWarningEvent')
  if (level !== undefined) {
    found.push({ kind: 'warning', text: `the reader's report buffer is ${level.fields.percentFull} % full` })
  }
  if (findParameter(data, 'ReportBufferOverflowErrorEvent') !== undefined) {
    found.push({ kind: 'warning', text: 'the report buffer of the reader ran over: tag reports are lost' })
  }
  const exception = findParameter(data, 'ReaderExceptionEvent')
  if (exception !== undefined) {
    const { message } = exception.fields
    found.push({ kind: 'warning', text: `the reader reports a fault: ${message === '' ? 'without a text' : message}` })
  }
  return found
}
