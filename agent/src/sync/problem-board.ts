import { type BioTrakrError, type ErrorCode, explainError } from '@biotrakr/shared'

/** The part of pino this stage uses. */
export interface Log {
  debug(fields: object, text: string): void
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
}

export interface Problem {
  readonly code: ErrorCode
  readonly message: string
  readonly next: string
}

/** Only a person can settle these; the others may pass by themselves. */
const ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SYNC_PUBLISH_DENIED',
  'SYNC_SUBSCRIBE_DENIED',
  'SYNC_BROKER_LIMIT',
  'SYNC_REFUSED',
  'SYNC_TWIN',
])

/** What is wrong just now. A problem is logged when it begins and when it ends; its repeats are counted. */
export interface ProblemBoard {
  readonly current: Problem | undefined
  report(problem: BioTrakrError): void
  /** Ends the current problem, when it is one of `codes` or no codes are given. */
  settle(codes?: readonly ErrorCode[]): void
}

export function createProblemBoard(log: Log): ProblemBoard {
  let current: Problem | undefined
  let times = 0
  return {
    get current() {
      return current
    },
    report(problem) {
      const { code, message, next } = problem
      const isRepeat = current?.code === code && current.message === message
      times = isRepeat ? times + 1 : 1
      current = { code, message, next }
      const fields = { event: 'sync.problem', code, times }
      if (isRepeat) log.debug(fields, explainError(problem))
      else if (ERRORS.has(code)) log.error(fields, explainError(problem))
      else log.warn(fields, explainError(problem))
    },
    settle(codes) {
      if (current === undefined || (codes !== undefined && !codes.includes(current.code))) return
      log.info({ event: 'sync.settled', code: current.code, times }, `settled: ${current.message}`)
      current = undefined
    },
  }
}
