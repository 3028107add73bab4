import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase, Pool } from 'pg'

interface Standing {
  readonly name: string
  readonly superuser: boolean
  readonly bypasses: boolean
  readonly owns: boolean
}

/** Counts a right as held when the login could take it on by SET ROLE. */
const STANDING = `
  select session_user as name,
    exists (select from pg_roles where rolsuper and pg_has_role(session_user, oid, 'member')) as superuser,
    exists (select from pg_roles where rolbypassrls and pg_has_role(session_user, oid, 'member')) as bypasses,
    exists (
      select from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('iam', 'site', 'rtls', 'asset', 'care', 'audit', 'telemetry') and pg_has_role(session_user, c.relowner, 'member')
    ) as owns`

/**
 * Start-up check of `serve` and `ingest`: refuses a login that row security would not hold, because then one forgotten
 * filter shows one hospital's data to another.
 * @throws BioTrakrError DATABASE_PRIVILEGE
 */
export async function refuseUnsafeRole(client: ClientBase | Pool): Promise<void> {
  const { rows } = await client.query<Standing>(STANDING)
  const standing = rows[0]
  if (!standing) return
  const trouble = problem(standing)
  if (!trouble) return
  throw new BioTrakrError(`The database user "${standing.name}" ${trouble}, so row security would not bind it`, {
    code: 'DATABASE_PRIVILEGE',
    next: 'Log in as bt_api (serve), bt_ingest (ingest), bt_ca (enroll) or bt_jobs (maintain), which `biotrakr-cloud migrate` creates; give them a password.',
  })
}

function problem(standing: Standing): string | undefined {
  if (standing.superuser) return 'is a superuser'
  if (standing.bypasses) return 'has BYPASSRLS'
  if (standing.owns) return 'owns the tables'
  return undefined
}
