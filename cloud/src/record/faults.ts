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

/** What a person should look at when nothing can be recorded. */
export type Trouble =
  | 'disk_full'
  | 'read_only'
  | 'too_many_connections'
  | 'statement_timeout'
  | 'lock_timeout'
  | 'deadlock'
  | 'serialization'
  | 'shutdown'
  | 'privilege'
  | 'schema'
  | 'unreachable'
  | 'other'

const TROUBLES: Readonly<Record<string, Trouble>> = {
  '53100': 'disk_full',
  '25006': 'read_only',
  '53300': 'too_many_connections',
  '57014': 'statement_timeout',
  '55P03': 'lock_timeout',
  '40P01': 'deadlock',
  '40001': 'serialization',
  '57P01': 'shutdown',
  '57P02': 'shutdown',
  '57P03': 'shutdown',
  '42501': 'privilege',
  '42P01': 'schema',
  '42703': 'schema',
}

/** The next step for each, in words for the health document. */
export const TROUBLE_NEXT: Readonly<Record<Trouble, string>> = {
  disk_full: 'Free space on the disk of the database server; recording goes on by itself.',
  read_only: 'The database takes no writes: a standby, or set to read only. Point the ingester at the primary.',
  too_many_connections: 'Raise max_connections or the connection limit of bt_ingest, or end other clients.',
  statement_timeout: 'A statement took too long: look for locks and for load on the database server.',
  lock_timeout: 'Another session holds a lock on the tables: look at pg_locks.',
  deadlock: 'Repeated by itself; look for other programs that write to these tables.',
  serialization: 'Repeated by itself; look for other programs that write to these tables.',
  shutdown: 'The database server is starting or stopping; recording goes on by itself.',
  privilege: 'Grant bt_ingest its rights again: run `biotrakr-cloud migrate`.',
  schema: 'The schema is not that of this version: run `biotrakr-cloud migrate`.',
  unreachable: 'Check that the database server runs and can be reached.',
  other: 'See the log of the database server.',
}

export function troubleOf(error: unknown): Trouble {
  const state = sqlState(error)
  if (state !== undefined) return TROUBLES[state] ?? (state.startsWith('08') ? 'unreachable' : 'other')
  // Not from the server: the connection could not be made or broke.
  return error instanceof TypeError || error instanceof RangeError ? 'other' : 'unreachable'
}

/** @returns undefined for an error that did not come from the server */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  return /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
