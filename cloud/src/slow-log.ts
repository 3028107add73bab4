import type { Logger } from 'pino'

import type { SlowStatement } from './upkeep/statements.ts'

/** A line for each statement that took longer than a second; it holds no value of any row. */
export function slowLog(log: Logger): (statement: SlowStatement) => void {
  return ({ fingerprint, text, tookMs }) => {
    const fields = { event: 'database.slow', fingerprint, tookMs: Math.round(tookMs), statement: text }
    log.warn(fields, 'a statement took longer than a second')
  }
}
