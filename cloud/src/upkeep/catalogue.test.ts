import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { connectClient, createPool } from './connection.ts'
import { refuseUnsafeRole } from './privileges.ts'
import { createTestDatabase, type TestDatabase } from './test-database.ts'
import { prismaColumns } from './test-prisma-columns.ts'

const SCHEMAS = ['iam', 'site', 'asset', 'rtls', 'care', 'audit', 'telemetry']
/** What a person may take away again; everything else ends by a state or a date. */
const API_DELETES: readonly string[] = ['rtls.tag_assignment delete', 'site.zone_room delete']
/** Functions with the rights of their owner: each filters the tenant itself, or may only be called by what does. */
const DEFINERS = [
  'rtls.analyze_tables',
  'asset.follow_transfer',
  'asset.rebuild_search_words',
  'asset.refuse_cycle',
  'asset.search',
  'asset.search_by_attrs',
  'audit.append',
  'audit.close_head',
  'audit.drop_month',
  'audit.ensure_month',
  'audit.record_change',
  'care.end_assignments',
  'care.read_patients',
  'care.read_staff',
  'care.require_consent',
  'care.stays_of',
  'care.vital_signs',
  'care.where_is',
  'rtls.asset_history',
  'rtls.begin_import',
  'rtls.import_fixes',
  'rtls.is_on_person',
  'rtls.mark_assignment',
  'rtls.tag_history',
  'rtls.tags_of_people',
  'rtls.where_at',
  'telemetry.drop_history',
]
/** Tables of a tenant schema that belong to no tenant. */
const NO_TENANT = ['rtls.job_run', 'care.observation_code', 'rtls.edition', 'rtls.ingester', 'rtls.shard_lease']

let database: TestDatabase
let owner: Client

beforeAll(async () => {
  database = await createTestDatabase()
  owner = database.ownerClient
})
afterAll(() => database.stop())

/** Tables of a tenant that row security does not hold, and private ones that it would break. */
async function unprotected(): Promise<unknown[]> {
  const { rows } = await owner.query(
    `select n.nspname || '.' || c.relname as name, n.nspname = 'telemetry' as private,
       c.relrowsecurity and c.relforcerowsecurity as forced,
       exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'tenant') as policy,
       n.nspname = 'iam' and c.relname = 'org' or exists (select from pg_attribute a
         where a.attrelid = c.oid and a.attname = 'org_id' and (a.attnotnull or c.relname = 'quarantine')) as tenant
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and n.nspname = any($1) and not (c.relispartition and not exists (
       select from pg_class t, aclexplode(t.relacl) as a where t.oid = c.oid and a.grantee <> t.relowner))
     order by 1`,
    [SCHEMAS],
  )
  expect(rows.length).toBeGreaterThan(14)
  const wrong = rows.filter(({ name, private: hidden, forced, policy, tenant }) => {
    if (NO_TENANT.includes(name)) return false
    return hidden ? !tenant || forced || policy : !(tenant && forced && policy)
  })
  return wrong.map(({ name }) => name)
}

async function column(sql: string): Promise<unknown[]> {
  const { rows } = await owner.query({ text: sql, values: [SCHEMAS], rowMode: 'array' })
  return rows.map((row: unknown[]) => row[0])
}

describe('the catalogue of the migrated database', () => {
  it('gives every table a tenant, forced row security and a policy, or keeps it private', async () => {
    expect(await unprotected()).toEqual([])
  })

  it('would find a table that somebody adds without a policy', async () => {
    await owner.query('create table site.planted (id integer, org_id integer not null)')
    expect(await unprotected()).toEqual(['site.planted'])
    await owner.query('drop table site.planted')
  })

  it('evaluates the tenant once a statement, not once a row', async () => {
    const policies = await column(
      `select coalesce(qual, '') || coalesce(with_check, '') from pg_policies where schemaname = any($1) and policyname in ('tenant', 'reach')`,
    )
    for (const text of policies) expect(text).toMatch(/\( SELECT iam\.current_org\(\)/)
  })

  it('holds org_id in every unique key and reference of a tenant table, but for the few that span tenants', async () => {
    const loose = await column(
      `select c.conrelid::regclass::text || ' ' || pg_get_constraintdef(c.oid) from pg_constraint c
       join pg_class t on t.oid = c.conrelid join pg_namespace n on n.oid = t.relnamespace
       where n.nspname = any($1) and t.relname <> 'org' and c.contype in ('u', 'f')
         and pg_get_constraintdef(c.oid) !~ '\\(org_id' order by 1`,
    )
    // A gateway's name is its certificate name; gateway ids are the service's own numbers, never chosen by a tenant.
    // Shards and ingesters belong to no tenant.
    expect(loose).toEqual([
      'rtls.shard_lease FOREIGN KEY (instance) REFERENCES rtls.ingester(instance) ON DELETE CASCADE',
      'rtls.store UNIQUE (gateway_id, nonce)',
      'rtls.watermark UNIQUE (gateway_id, epoch)',
      'site.gateway UNIQUE (name)',
    ])
  })

  it('keeps the API from history, from what only the ingester writes, and from rights over tables', async () => {
    const grants = await column(
      `select table_schema || '.' || table_name || ' ' || lower(privilege_type)
       from information_schema.role_table_grants where table_schema = any($1) and grantee = 'bt_api'
         and (table_schema = 'telemetry' and privilege_type <> 'SELECT'
           or table_schema = 'audit' and table_name in ('event', 'head', 'base') and privilege_type <> 'SELECT'
           or table_schema = 'telemetry' and table_name not in (select viewname from pg_views)
           or privilege_type not in ('SELECT', 'INSERT', 'UPDATE')
           or privilege_type <> 'SELECT' and table_schema || '.' || table_name in (
             'rtls.watermark', 'rtls.gap', 'rtls.clock_anchor', 'rtls.position', 'rtls.store', 'rtls.staged'))
       order by 1`,
    )
    expect(grants).toEqual(API_DELETES)
  })

  it('shows the API barrier views and views with the rights of the caller only', async () => {
    const open = await column(
      `select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('v', 'm') and n.nspname = any($1) and n.nspname <> 'telemetry'
         and not coalesce(c.reloptions, '{}') && array['security_barrier=true', 'security_invoker=true']`,
    )
    expect(open).toEqual([])
  })

  it('lets the ingester add and amend, never read history, and delete only what is on its way', async () => {
    const grants = await column(
      `select table_schema || '.' || table_name || ' ' || string_agg(lower(privilege_type), ' ' order by privilege_type)
       from information_schema.role_table_grants where table_schema = any($1) and grantee = 'bt_ingest'
       group by table_schema, table_name order by 1`,
    )
    expect(grants).toEqual([
      'iam.org select',
      'rtls.clock_anchor insert select',
      'rtls.edition select',
      'rtls.gap insert select update',
      'rtls.ingester delete insert select update',
      'rtls.position insert select update',
      'rtls.quarantine insert select update',
      'rtls.shard_lease delete insert select update',
      'rtls.staged delete insert select update',
      'rtls.store insert select update',
      'rtls.tag select',
      'rtls.watermark insert select update',
      'site.certificate select',
      'site.facility select',
      'site.gateway select',
      'site.room select',
      'telemetry.location_history insert',
      'telemetry.receiver_health insert',
      'telemetry.sensor_reading insert',
      'telemetry.usage_event insert',
    ])
  })

  it('lets the enrolment service see gateways and their certificates, and nothing that was heard', async () => {
    const grants = await column(
      `select table_schema || '.' || table_name || ' ' || string_agg(lower(privilege_type), ' ' order by privilege_type)
       from information_schema.role_table_grants where table_schema = any($1) and grantee = 'bt_ca'
       group by table_schema, table_name order by 1`,
    )
    expect(grants).toEqual([
      'iam.org select',
      'rtls.store select',
      'site.certificate delete insert select update',
      'site.enrolment_code delete insert select update',
      'site.facility select',
      'site.gateway insert select update',
    ])
  })

  it('grants nothing to PUBLIC', async () => {
    const grants = await column(
      `select name || ' ' || grants.privilege_type from (
         select c.relname::text, c.relacl from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = any($1)
         union all select nspname, nspacl from pg_namespace where nspname = any($1)
         union all select p.proname, coalesce(p.proacl, acldefault('f', p.proowner)) from pg_proc p
           join pg_namespace n on n.oid = p.pronamespace where n.nspname = any($1)
       ) as objects (name, acl), aclexplode(acl) as grants where grants.grantee = 0`,
    )
    expect(grants).toEqual([])
  })

  it('has no function with the rights of its owner but those listed, each with a fixed search path', async () => {
    const definers = await column(
      `select n.nspname || '.' || p.proname
         || case when p.proconfig::text like '%search_path=%' then '' else ' without a search path' end
       from pg_proc p join pg_namespace n on n.oid = p.pronamespace
       where n.nspname = any($1) and p.prosecdef order by 1`,
    )
    expect(definers).toEqual([...DEFINERS].sort())
  })

  it('equals the Prisma schema column by column, both ways', async () => {
    const stored = await column(
      `select c.table_schema || '.' || c.table_name || '.' || c.column_name || ' ' || c.udt_name
         || case c.is_nullable when 'YES' then '?' else '' end
         || case when c.column_default is not null or c.is_identity = 'YES' then ' default' else '' end
       from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
       where c.table_schema = any($1) and c.table_schema <> 'telemetry' and t.table_type = 'BASE TABLE'
         and not exists (select from pg_class p where p.oid = format('%I.%I', c.table_schema, c.table_name)::regclass
           and p.relispartition) order by 1`,
    )
    expect(prismaColumns().sort()).toEqual(stored.map(String).sort())
  })
})

describe('tenancy', () => {
  const sees = [
    'iam.org',
    'site.facility',
    'site.room',
    'site.gateway',
    'rtls.tag',
    'rtls.watermark',
    'rtls.gap',
    'rtls.clock_anchor',
    'rtls.quarantine',
    'rtls.position',
    'rtls.store',
    'rtls.staged',
    'rtls.location_history',
  ]
  let api: Client
  let orgs: number[]

  beforeAll(async () => {
    orgs = [await makeTenant('one'), await makeTenant('two')]
    api = await connectClient(database.options('bt_api'))
  })
  afterAll(() => api.end())

  async function counts(org: string | undefined): Promise<number[]> {
    await api.query('begin')
    if (org !== undefined) {
      await api.query(`select set_config('app.org', $1, true), set_config('app.facilities', 'all', true)`, [org])
    }
    const found: number[] = []
    for (const table of sees) found.push((await api.query(`select from ${table}`)).rowCount ?? -1)
    await api.query('commit')
    return found
  }

  it('shows nothing without a tenant, before and after a transaction that had one', async () => {
    expect(await counts(undefined)).toEqual(sees.map(() => 0))
    await counts(String(orgs[0]))
    expect(await counts(undefined)).toEqual(sees.map(() => 0))
  })

  it('shows a tenant its own row of every table, and nothing to a tenant that does not exist', async () => {
    for (const org of orgs) expect(await counts(String(org))).toEqual(sees.map(() => 1))
    expect(await counts('2000000000')).toEqual(sees.map(() => 0))
  })

  it('shows the ingester every tenant, and lets it lock a watermark', async () => {
    const ingest = await connectClient(database.options('bt_ingest'))
    expect((await ingest.query('select from site.gateway')).rowCount).toBe(2)
    await ingest.query('begin')
    expect((await ingest.query('select from rtls.watermark for update')).rowCount).toBe(2)
    await ingest.query('commit')
    await ingest.end()
  })

  it('refuses a row that names a row of another tenant', async () => {
    const [first, second] = orgs
    await owner.query('begin')
    const steal = owner.query(
      `insert into rtls.position (org_id, tag_id, facility_id, t, since, method, reason, confidence, stream_id, seq, map_version)
       select $1, tag_id, facility_id, t, since, method, reason, confidence, stream_id, seq, map_version
       from rtls.position where org_id = $2`,
      [first, second],
    )
    await expect(steal).rejects.toMatchObject({ code: '23503' })
    await owner.query('rollback')
  })

  async function makeTenant(slug: string): Promise<number> {
    const insert = async (sql: string, ...values: unknown[]) =>
      (await owner.query(`${sql} returning id`, values)).rows[0].id
    const org = await insert(`insert into iam.org (slug, name) values ($1, $1)`, slug)
    const facility = await insert(
      `insert into site.facility (org_id, code, name, time_zone) values ($1, 'a', 'a', 'UTC')`,
      org,
    )
    const room = await insert(
      `insert into site.room (org_id, facility_id, code, name) values ($1, $2, 'r', 'r')`,
      org,
      facility,
    )
    const gateway = await insert(
      `insert into site.gateway (org_id, facility_id, name) values ($1, $2, $3)`,
      org,
      facility,
      `gateway-${slug}`,
    )
    const tag = await insert(`insert into rtls.tag (org_id, identity) values ($1, 'ble:c30000000001')`, org)
    const stream = await insert(
      `insert into rtls.watermark (org_id, gateway_id, epoch) values ($1, $2, '1-0123456789abcdef')`,
      org,
      gateway,
    )
    await owner.query(
      `insert into rtls.gap (org_id, stream_id, first_seq, last_seq, reason, from_t, to_t)
         values (${org}, ${stream}, 1, 2, 'evicted', now(), now());
       insert into rtls.clock_anchor values (${org}, ${stream}, 3, now(), '0123456789abcdef', 1, 1);
       insert into rtls.quarantine (org_id, level, code) values (${org}, 'row', 'TAG_UNKNOWN');
       insert into rtls.store (org_id, gateway_id, nonce, status) values (${org}, ${gateway}, 'n', 'active');
       insert into rtls.staged (org_id, stream_id, first_seq, last_seq, boot_id, offset_ms, payload)
         values (${org}, ${stream}, 5, 6, '0123456789abcdef', 1, '');
       insert into rtls.position values (${org}, ${tag}, ${facility}, ${room}, now(), now(), null, 1, 0, 900,
         null, null, null, ${stream}, 4, 1);
       insert into telemetry.location_history values (now(), ${org}, ${facility}, ${tag}, ${room}, ${stream}, 4, 0, 1, 0, 900, 1)`,
    )
    return org
  }
})

describe('the start-up check of the database user', () => {
  it('lets the users of serve and ingest pass', async () => {
    for (const role of ['bt_api', 'bt_ingest'] as const) {
      const pool = createPool({ ...database.options(role), max: 1 })
      await expect(refuseUnsafeRole(pool)).resolves.toBeUndefined()
      await pool.end()
    }
  })

  it.each([
    ['a superuser', 'superuser', 'is a superuser'],
    ['a user that row security does not bind', 'bypassrls', 'has BYPASSRLS'],
    ['a user that may become the owner', 'in role bt_owner', 'owns the tables'],
  ])('refuses %s', async (_who, attribute, words) => {
    await owner.query(`create role unsafe login password 'unsafe' ${attribute}`)
    const client = await connectClient({ ...database.options('owner'), user: 'unsafe', password: 'unsafe' })
    await expect(refuseUnsafeRole(client)).rejects.toMatchObject({
      code: 'DATABASE_PRIVILEGE',
      message: expect.stringContaining(words),
    })
    await client.end()
    await owner.query('drop role unsafe')
  })
})

describe('connecting', () => {
  it.each([
    ['a wrong password', { password: 'wrong' }, 'refused the password of user "bt_api"'],
    ['an unknown database', { database: 'nowhere' }, 'no database "nowhere"'],
    ['a closed port', { port: 1 }, 'nothing listens there'],
    ['a server without TLS', { ssl: true }, 'does not offer TLS'],
  ])('says %s in plain words', async (_what, change, words) => {
    await expect(connectClient({ ...database.options('bt_api'), ...change })).rejects.toMatchObject({
      code: 'DATABASE_UNREACHABLE',
      message: expect.stringContaining(words),
    })
  })

  it('survives the end of an idle connection and opens a new one', async () => {
    const broken: Error[] = []
    const pool = createPool({
      ...database.options('bt_api'),
      max: 1,
      application: 'pool-test',
      onIdleError: (error) => broken.push(error),
    })
    const first = (await pool.query('select pg_backend_pid() as pid')).rows[0].pid
    const ended = new Promise((resolve) => pool.once('remove', resolve))
    await owner.query('select pg_terminate_backend($1)', [first])
    await ended
    expect((await pool.query('select pg_backend_pid() as pid')).rows[0].pid).not.toBe(first)
    expect(broken).toHaveLength(1)
    await pool.end()
  })
})
