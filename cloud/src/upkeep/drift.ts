import { BioTrakrError } from '@biotrakr/shared'
import { type Client, type ClientBase, escapeIdentifier } from 'pg'

import { connectClient, type DatabaseOptions } from './connection.ts'
import { migrate } from './migrate.ts'

const SCHEMAS = ['iam', 'site', 'asset', 'rtls', 'care', 'audit', 'telemetry']
/** Chunks, partitions of a month and what belongs to them come with the data. */
const OWN = `n.nspname = any($1) and not c.relispartition`

/** One line for each thing of the product's schemas, by kind; without brackets, of which a restored database has fewer. */
const THINGS: readonly string[] = [
  `select 'schema ' || nspname || ' of ' || nspowner::regrole || ' ' || coalesce(nspacl::text, '')
   from pg_namespace where nspname = any($1)`,
  `select case c.relkind when 'v' then 'view ' when 'm' then 'view ' when 'i' then 'index ' when 'I' then 'index '
       when 'S' then 'sequence ' else 'table ' end || c.oid::regclass || ' of ' || c.relowner::regrole
     || ' ' || coalesce(c.reloptions::text, '') || case when c.relrowsecurity then ' rls' else '' end
     || case when c.relforcerowsecurity then ' forced' else '' end
   from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${OWN} and c.relkind <> 't'`,
  `select 'column ' || c.oid::regclass || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
     || case when a.attnotnull then ' not null' else '' end || coalesce(' = ' || pg_get_expr(d.adbin, d.adrelid), '')
     || a.attidentity::text || a.attgenerated::text
   from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
     left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
   where ${OWN} and c.relkind in ('r', 'p', 'v') and a.attnum > 0 and not a.attisdropped`,
  `select 'constraint ' || c.oid::regclass || ' ' || k.conname || ' ' || translate(pg_get_constraintdef(k.oid), '()', '')
   from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace where ${OWN}`,
  `select 'index ' || pg_get_indexdef(i.indexrelid) || case when i.indisvalid then '' else ' INVALID' end
   from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace where ${OWN}`,
  `select 'policy ' || schemaname || '.' || tablename || ' ' || policyname || ' to ' || roles::text || ' ' || cmd
     || ' using ' || translate(coalesce(qual, ''), '()', '') || ' check ' || translate(coalesce(with_check, ''), '()', '')
   from pg_policies p join pg_class c on c.oid = format('%I.%I', schemaname, tablename)::regclass
     join pg_namespace n on n.oid = c.relnamespace where ${OWN}`,
  `select 'trigger ' || c.oid::regclass || ' ' || translate(pg_get_triggerdef(t.oid), '()', '') || ' ' || t.tgenabled::text
   from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
   where ${OWN} and not t.tgisinternal`,
  `select 'grant ' || c.oid::regclass || ' ' || a.privilege_type || ' to ' || a.grantee::regrole
   from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) as a where ${OWN}`,
  `select 'function ' || p.oid::regprocedure || ' of ' || p.proowner::regrole || ' ' || coalesce(p.proacl::text, '') || ' '
     || md5(pg_get_functiondef(p.oid))
   from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = any($1) and p.prokind in ('f', 'p')`,
  `select 'view ' || c.oid::regclass || ' ' || md5(pg_get_viewdef(c.oid))
   from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${OWN} and c.relkind in ('v', 'm')`,
]

/** Every table, column, constraint, index, policy, trigger, grant, function and view of the product, a line each. */
async function describeSchema(client: ClientBase): Promise<Set<string>> {
  const lines = new Set<string>()
  for (const sql of THINGS) {
    const { rows } = await client.query<[string]>({ text: sql, values: [SCHEMAS], rowMode: 'array' })
    for (const [line] of rows) lines.add(line)
  }
  return lines
}

export interface Drift {
  /** In the migrations and not in the database. */
  readonly missing: readonly string[]
  /** In the database and not in the migrations. */
  readonly extra: readonly string[]
}

/**
 * Compares a database with what the migrations make in a scratch database of the same server, which is gone afterwards.
 * @param database logs in as a superuser, or as one that may make databases
 * @throws BioTrakrError DATABASE_UNREACHABLE, DATABASE_PRIVILEGE
 */
export async function findDrift(database: DatabaseOptions, scratch: string): Promise<Drift> {
  const client = await connectClient(database)
  try {
    await makeScratch(client, scratch)
    try {
      const [wanted, there] = [await describeScratch({ ...database, database: scratch }), await describeSchema(client)]
      const only = (some: ReadonlySet<string>, others: ReadonlySet<string>) =>
        [...some].filter((line) => !others.has(line)).sort()
      return { missing: only(wanted, there), extra: only(there, wanted) }
    } finally {
      await client.query(`drop database if exists ${escapeIdentifier(scratch)} with (force)`)
    }
  } finally {
    await client.end()
  }
}

async function makeScratch(client: Client, name: string): Promise<void> {
  try {
    await client.query(`create database ${escapeIdentifier(name)} template template0`)
  } catch (cause) {
    throw new BioTrakrError('a scratch database cannot be made', {
      code: 'DATABASE_PRIVILEGE',
      next: 'Log in as a user that may make databases (CREATEDB) and migrate them.',
      cause,
    })
  }
}

async function describeScratch(database: DatabaseOptions): Promise<Set<string>> {
  const client = await connectClient(database)
  try {
    await migrate(client)
    return await describeSchema(client)
  } finally {
    await client.end()
  }
}
