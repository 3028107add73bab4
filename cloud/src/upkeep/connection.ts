import { BioTrakrError } from '@biotrakr/shared'
import { Client, type ClientConfig, Pool } from 'pg'

import { type SlowStatement, watchStatements } from './statements.ts'

export interface DatabaseOptions {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password?: string | undefined
  /** true checks the server's certificate against the system's authorities; `ca` against that PEM text. */
  readonly ssl?: boolean | { readonly ca: string } | undefined
  /** Shown in pg_stat_activity. */
  readonly application?: string | undefined
  /**
   * True behind a pooler that gives each transaction another connection of the server (PgBouncer's transaction pooling):
   * statements are then not prepared by name, since the connection that knows the name may be another one.
   */
  readonly pooled?: boolean | undefined
}

interface PoolOptions extends DatabaseOptions {
  /** Most connections at once. */
  readonly max: number
  /** Told when an idle connection breaks, for example because the server restarts. The pool opens a new one by itself. */
  readonly onIdleError?: (error: Error) => void
  /** Told of statements that took longer than a second. */
  readonly onSlow?: (statement: SlowStatement) => void
}

const CONNECT_TIMEOUT_MS = 10_000

/** Opens nothing yet. Errors of its queries and connects are the driver's: put them through `databaseError`. */
export function createPool(options: PoolOptions): Pool {
  const pool = new Pool({ ...clientConfig(options), max: options.max })
  pool.on('connect', (client) => watchStatements(client, options))
  // Without a listener a broken idle connection would end the process.
  pool.on('error', (error) => options.onIdleError?.(error))
  return pool
}

/** @throws BioTrakrError DATABASE_UNREACHABLE, in words that name the server and the likely reason */
export async function connectClient(options: DatabaseOptions): Promise<Client> {
  const client = new Client(clientConfig(options))
  try {
    await client.connect()
  } catch (error) {
    throw databaseError(error, options)
  }
  return client
}

function clientConfig(options: DatabaseOptions): ClientConfig {
  return {
    host: options.host,
    port: options.port,
    database: options.database,
    user: options.user,
    ...(options.password === undefined ? {} : { password: options.password }),
    ssl: options.ssl ?? false,
    application_name: options.application ?? 'biotrakr',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  }
}

type Explain = (options: DatabaseOptions) => readonly [what: string, next: string]

/** By SQLSTATE (postgresql.org/docs, appendix A) or Node's system error code. */
const REASONS: Readonly<Record<string, Explain>> = {
  ECONNREFUSED: () => ['nothing listens there', 'Start PostgreSQL, or correct database.host and database.port.'],
  ENOTFOUND: () => ['that host name is not known', 'Correct database.host, or the name service of this machine.'],
  EHOSTUNREACH: () => ['there is no route to that host', 'Check the network and database.host.'],
  ETIMEDOUT: () => ['it does not answer', 'Check the network, the firewall and database.host.'],
  ECONNRESET: () => ['it broke the connection', 'See the log of the PostgreSQL server.'],
  '28P01': ({ user }) => [
    `it refused the password of user "${user}"`,
    'Correct the file named by database.passwordFile.',
  ],
  '28000': ({ user }) => [
    `it refused user "${user}"`,
    'Check that the user exists and may log in, and pg_hba.conf (is TLS required?).',
  ],
  '3D000': ({ database }) => [`it has no database "${database}"`, 'Create the database, or correct database.database.'],
  '42501': ({ user, database }) => [
    `user "${user}" may not connect to database "${database}"`,
    'Grant CONNECT on the database to that user.',
  ],
  '53300': () => ['it has no connection left', 'Raise max_connections there, or lower the pool sizes here.'],
  '57P03': () => ['it is starting up or shutting down', 'Wait a moment and try again.'],
}

/**
 * Plain words for a connection that cannot be made or was lost.
 * @returns the error itself where it is already a BioTrakrError
 */
export function databaseError(error: unknown, options: DatabaseOptions): BioTrakrError {
  if (error instanceof BioTrakrError) return error
  const [what, next] = reason(error, options)
  return new BioTrakrError(`The database at ${options.host}:${options.port} cannot be used: ${what}`, {
    code: 'DATABASE_UNREACHABLE',
    next,
    cause: error,
  })
}

function reason(error: unknown, options: DatabaseOptions): readonly [string, string] {
  // Several addresses of one name fail together, as an AggregateError of which each part carries the code.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  const code = first instanceof Error && 'code' in first ? String(first.code) : ''
  const known = REASONS[code]
  if (known) return known(options)
  if (first instanceof Error && first.message.includes('timeout')) return reasonOf('ETIMEDOUT', options)
  if (first instanceof Error && first.message.includes('does not support SSL')) {
    return ['it does not offer TLS', 'Turn ssl on in postgresql.conf, or set database.ssl to false on a local server.']
  }
  return [first instanceof Error ? first.message : String(first), 'See the log of the PostgreSQL server.']
}

function reasonOf(code: 'ETIMEDOUT', options: DatabaseOptions): readonly [string, string] {
  const known = REASONS[code]
  return known ? known(options) : [code, '']
}
