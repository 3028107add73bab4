import type { Finding, Look } from './doctor-database.ts'

/** What each login of the product does, and so must be allowed to. */
const NEEDED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  bt_ingest: {
    'site.gateway': 'select',
    'rtls.tag': 'select',
    'rtls.watermark': 'select,insert,update',
    'rtls.position': 'select,insert,update',
    'rtls.quarantine': 'select,insert,update',
    'rtls.gap': 'select,insert',
    'rtls.clock_anchor': 'select,insert',
    'rtls.store': 'select,insert,update',
    'rtls.staged': 'select,insert,update,delete',
    'rtls.ingester': 'select,insert,update,delete',
    'rtls.shard_lease': 'select,insert,update,delete',
    'telemetry.location_history': 'insert',
    'telemetry.sensor_reading': 'insert',
    'telemetry.usage_event': 'insert',
    'telemetry.receiver_health': 'insert',
  },
  bt_api: {
    'iam.org': 'select',
    'site.facility': 'select',
    'site.room': 'select',
    'site.gateway': 'select',
    'rtls.tag': 'select',
    'rtls.position': 'select',
    'rtls.quarantine': 'select',
    'rtls.location_history': 'select',
  },
}
/** Tables that belong to no tenant; and the history, which nobody but the ingester has a right to. */
const NO_TENANT = ['care.observation_code', 'rtls.edition', 'rtls.ingester', 'rtls.job_run', 'rtls.shard_lease']

/** The roles of the product: there, and none of them above row security. */
export const lookAtRoles: Look = async (client) => {
  const names = ['bt_owner', ...Object.keys(NEEDED)]
  const { rows } = await client.query<{ name: string; above: boolean; login: boolean; password: boolean | null }>(
    `select rolname as name, rolsuper or rolbypassrls as above, rolcanlogin as login from pg_roles where rolname = any($1)`,
    [names],
  )
  const missing = names.filter((name) => rows.every((row) => row.name !== name))
  const above = rows.filter((row) => row.above).map(({ name }) => name)
  const found: Finding[] = []
  if (missing.length > 0) {
    const mend = 'Run: biotrakr-cloud migrate -c <configuration of the owner>'
    found.push({ check: 'roles', state: 'fail', meaning: `${missing.join(', ')} not there`, mend })
  }
  for (const name of above) {
    const meaning = `${name} is above row security: one forgotten filter shows one hospital's data to another`
    found.push({
      check: 'roles',
      state: 'fail',
      meaning,
      mend: `Run as superuser: alter role ${name} nosuperuser nobypassrls;`,
    })
  }
  return found.length > 0
    ? found
    : [{ check: 'roles', state: 'ok', meaning: `${names.join(', ')}: none above row security` }]
}

/** What `ingest` and `serve` need, and what `serve` must not have. */
export const lookAtRights: Look = async (client) => {
  const wanted = Object.entries(NEEDED).flatMap(([role, tables]) =>
    Object.entries(tables).flatMap(([table, rights]) => rights.split(',').map((right) => ({ role, table, right }))),
  )
  const { rows } = await client.query<{ role: string; table: string; right: string }>(
    `select w.role, w.table, w.right from jsonb_to_recordset($1::jsonb) as w(role text, "table" text, "right" text)
     join pg_roles r on r.rolname = w.role
     -- By the catalogue: a name of a schema that this login may not use cannot be looked up otherwise.
     join pg_namespace n on n.nspname = split_part(w.table, '.', 1)
     join pg_class c on c.relnamespace = n.oid and c.relname = split_part(w.table, '.', 2)
     where not (has_table_privilege(w.role, c.oid, w.right) and has_schema_privilege(w.role, n.oid, 'usage'))`,
    [JSON.stringify(wanted)],
  )
  const { rows: open } = await client.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'telemetry' and c.relkind in ('r', 'p', 'v', 'm') and exists (select from pg_roles where rolname = 'bt_api')
       and has_table_privilege('bt_api', c.oid, 'select') and has_schema_privilege('bt_api', n.oid, 'usage')`,
  )
  const found = rows.map(({ role, table, right }): Finding => {
    const process = role === 'bt_ingest' ? 'ingest' : 'serve'
    const meaning = `${role} may not ${right} ${table}: ${process} fails there`
    return { check: 'rights', state: 'fail', meaning, mend: `Run as the owner: grant ${right} on ${table} to ${role};` }
  })
  for (const { name } of open) {
    const meaning = `bt_api may read ${name}, which no row security guards`
    const mend = `Run as the owner: revoke all on ${name} from bt_api, public;`
    found.push({ check: 'rights', state: 'fail', meaning, mend })
  }
  return found.length > 0 ? found : [{ check: 'rights', state: 'ok', meaning: 'ingest and serve may what they need' }]
}

/** Every table of a tenant holds even its owner to the policies. */
export const lookAtPolicies: Look = async (client) => {
  const { rows } = await client.query<{ name: string; forced: boolean; policy: boolean }>(
    `select n.nspname || '.' || c.relname as name, c.relrowsecurity and c.relforcerowsecurity as forced,
       exists (select from pg_policy p where p.polrelid = c.oid) as policy
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and not c.relispartition
       and n.nspname in ('iam', 'site', 'asset', 'rtls', 'care', 'audit') order by 1`,
  )
  const tenants = rows.filter(({ name }) => !NO_TENANT.includes(name))
  const found = tenants.flatMap(({ name, forced, policy }): Finding[] => {
    if (!forced) {
      const mend = `Run as the owner: alter table ${name} enable row level security, force row level security;`
      return [{ check: 'policies', state: 'fail', meaning: `row security is off for ${name}`, mend }]
    }
    if (policy) return []
    const mend = 'Restore the policies of the migrations: see cloud/prisma/migrations.'
    return [{ check: 'policies', state: 'fail', meaning: `${name} has no policy, so nobody sees anything of it`, mend }]
  })
  if (found.length > 0) return found
  if (tenants.length === 0) return []
  return [{ check: 'policies', state: 'ok', meaning: `row security binds all ${tenants.length} tables of tenants` }]
}
