/**
 * What a failed transaction means, by SQLSTATE (documentation of PostgreSQL, appendix A).
 * - `poison`: the data itself was refused; the same data will be refused again.
 * - `passing`: anything else: no connection, deadlock, lock or statement timeout, shutdown, no disk, but also a missing
 *   table or right. Those are repaired at the server, and until then the data is safer at the agents than in quarantine.
 */
export type Fault = 'poison' | 'passing'

/** 0A feature not supported, 22 data exception, 23 integrity, 44 check option, 54 program limit, P0 raised by a trigger. */
const POISON_CLASSES = new Set(['0A', '22', '23', '44', '54', 'P0'])

export function faultOf(error: unknown): Fault {
  // A record that our own code trips over. Set aside like any other, it does not hold up the rest.
  if (error instanceof TypeError || error instanceof RangeError) return 'poison'
  const state = sqlState(error)
  // A named statement that was planned before a migration; the connection is replaced, and the next one plans anew.
  if (state === '0A000' && messageOf(error).includes('cached plan')) return 'passing'
  return state !== undefined && POISON_CLASSES.has(state.slice(0, 2)) ? 'poison' : 'passing'
}

/** @returns undefined for an error that did not come from the server */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  return /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
