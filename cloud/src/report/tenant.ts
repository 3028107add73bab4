import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase, Pool } from 'pg'

export interface Tenant {
  readonly id: number
  readonly slug: string
  readonly name: string
}

/**
 * Finds the organisation by its name: row security shows a login without a tenant only the one that it names.
 * @throws BioTrakrError CONFIG_INVALID when there is none
 */
export async function findTenant(pool: Pool, slug: string): Promise<Tenant> {
  const found = await within(pool, { 'app.org_slug': slug }, (client) =>
    client.query<Tenant>('select id, slug, name from iam.org where slug = $1', [slug]),
  )
  const tenant = found.rows[0]
  if (tenant) return tenant
  throw new BioTrakrError(`This database has no organisation "${slug}"`, {
    code: 'CONFIG_INVALID',
    next: 'Correct `org` in the configuration, or register it first with `biotrakr-cloud site import`.',
  })
}

/** Reads one tenant's rows. */
export interface TenantReader {
  /**
   * One read-only transaction in which row security shows this tenant only.
   * @throws BioTrakrError DATABASE_UNREACHABLE, or the driver's error for a statement that is wrong in itself
   */
  read<T>(work: (client: ClientBase) => Promise<T>): Promise<T>
}

export function createTenantReader(pool: Pool, { id }: Tenant): TenantReader {
  // Whoever holds the token of this service sees the whole organisation.
  const settings = { 'app.org': String(id), 'app.facilities': 'all' }
  return { read: (work) => within(pool, settings, work).catch(refuse) }
}

async function within<T>(
  pool: Pool,
  settings: Readonly<Record<string, string>>,
  work: (client: ClientBase) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  // A lost connection fails the running query; without a listener the same error would also end the process.
  const ignore = () => undefined
  client.on('error', ignore)
  // A connection on which anything failed is not worth the doubt about the state it is in.
  let discard = true
  try {
    await client.query('begin read only')
    for (const setting of Object.entries(settings)) {
      await client.query({ name: 'tenant', text: 'select set_config($1, $2, true)', values: setting })
    }
    const result = await work(client)
    await client.query('commit')
    discard = false
    return result
  } finally {
    client.removeListener('error', ignore)
    client.release(discard)
  }
}

/** Classes of SQLSTATE that say something of the server rather than of the statement (PostgreSQL, appendix A). */
const SERVER_CLASSES = new Set(['08', '28', '3D', '53', '55', '57', '58', 'XX'])

function refuse(cause: unknown): never {
  const state = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const isStatement = /^[0-9A-Z]{5}$/.test(state) && !SERVER_CLASSES.has(state.slice(0, 2))
  if (isStatement || cause instanceof TypeError) throw cause
  throw new BioTrakrError('The database does not answer', {
    code: 'DATABASE_UNREACHABLE',
    next: 'Try again in a moment; if it stays so, tell whoever runs this service.',
    cause,
  })
}
