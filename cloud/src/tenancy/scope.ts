import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase, Pool } from 'pg'

/** Who asks, and how far this one may see. Set for one transaction; the database's row policies do the rest. */
export interface Scope {
  readonly orgId: number
  /** Ids of facilities, or all of the organisation. An empty list sees none. */
  readonly facilities: 'all' | readonly number[]
  /** For the audit chain: `account:<uuid>`, `operator:<user of the machine>`, `token`, `job:<name>`. */
  readonly actor: string
  /** The account, where there is one (UUID). */
  readonly userId?: string | undefined
  /** Why people's data is asked for; without one their tables are empty. */
  readonly purpose?: string | undefined
}

/** Transactions of one database, each within a scope. */
export interface ScopedDatabase {
  /** @throws BioTrakrError DATABASE_UNREACHABLE, or the driver's error for a statement that is wrong in itself */
  read<T>(scope: Scope, work: (client: ClientBase) => Promise<T>): Promise<T>
  /**
   * All or nothing. Begins again, at most twice, when another transaction was in the way (deadlock, serialisation), so
   * `work` must change nothing but the database.
   * @throws BioTrakrError DATABASE_UNREACHABLE, or the driver's error for a statement that is wrong in itself
   */
  write<T>(scope: Scope, work: (client: ClientBase) => Promise<T>): Promise<T>
}

const ATTEMPTS = 3
const IN_THE_WAY = new Set(['40001', '40P01'])

export function createScopedDatabase(pool: Pool): ScopedDatabase {
  return {
    read: (scope, work) => within(pool, { begin: 'begin read only', scope, work }).catch(refuse),
    write: async (scope, work) => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await within(pool, { begin: 'begin', scope, work })
        } catch (error) {
          if (attempt === ATTEMPTS || !IN_THE_WAY.has(stateOf(error))) return refuse(error)
        }
      }
    },
  }
}

interface Task<T> {
  readonly begin: 'begin' | 'begin read only'
  readonly scope: Scope
  readonly work: (client: ClientBase) => Promise<T>
}

async function within<T>(pool: Pool, { begin, scope, work }: Task<T>): Promise<T> {
  const client = await pool.connect()
  // A lost connection fails the running query; without a listener the same error would also end the process.
  const ignore = () => undefined
  client.on('error', ignore)
  // A connection on which anything failed is not worth the doubt about the state it is in.
  let discard = true
  try {
    await client.query(begin)
    await setScope(client, scope)
    const result = await work(client)
    await client.query('commit')
    discard = false
    return result
  } finally {
    client.removeListener('error', ignore)
    client.release(discard)
  }
}

/** Binds the running transaction; a session-wide setting would show one caller's rows to the next. */
export async function setScope(client: ClientBase, scope: Scope): Promise<void> {
  const { orgId, facilities, actor, userId = '', purpose = '' } = scope
  const reach = facilities === 'all' ? 'all' : `{${facilities.join(',')}}`
  await client.query({
    name: 'scope',
    text: `select set_config('app.org', $1, true), set_config('app.facilities', $2, true),
      set_config('app.actor', $3, true), set_config('app.user', $4, true), set_config('app.purpose', $5, true)`,
    values: [String(orgId), reach, actor, userId, purpose],
  })
}

function stateOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** Classes of SQLSTATE that say something of the server rather than of the statement (PostgreSQL, appendix A). */
const SERVER_CLASSES = new Set(['08', '28', '3D', '53', '55', '57', '58', 'XX'])

function refuse(cause: unknown): never {
  const state = stateOf(cause)
  const isStatement = /^[0-9A-Z]{5}$/.test(state) && !SERVER_CLASSES.has(state.slice(0, 2))
  if (isStatement || cause instanceof TypeError || cause instanceof BioTrakrError) throw cause
  throw new BioTrakrError('The database does not answer', {
    code: 'DATABASE_UNREACHABLE',
    next: 'Try again in a moment; if it stays so, tell whoever runs this service.',
    cause,
  })
}
