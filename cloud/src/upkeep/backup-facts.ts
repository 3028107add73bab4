import type { ClientBase } from 'pg'

/** What must be equal before a dump and after its restore. */
export interface DatabaseFacts {
  /** By name: rows, and a sum over their contents that no order changes. */
  readonly tables: Readonly<Record<string, { readonly rows: string; readonly sum: string }>>
  /** Row policies, forced tables, grants and functions: each the number of them and a digest. */
  readonly rights: Readonly<Record<string, string>>
}

const SCHEMAS = ['iam', 'site', 'asset', 'rtls', 'care', 'audit', 'telemetry']

/** Parents stand for their partitions and chunks. */
const TABLES = `
  select format('%I.%I', n.nspname, c.relname) as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = any($1) and c.relkind in ('r', 'p') and not c.relispartition
    or n.nspname = 'public' and c.relname = '_prisma_migrations'
  order by 1`

const digest = (list: string, from: string) =>
  `select count(*) || ' ' || coalesce(md5(string_agg(${list}, E'\\n' order by ${list})), '') as value from ${from}`

/** Without brackets: an expression that was printed and read again has fewer of them. */
const RIGHTS: Readonly<Record<string, string>> = {
  policies: digest(
    `concat_ws('|', schemaname, tablename, policyname, permissive, roles::text, cmd,
      translate(qual, '()', ''), translate(with_check, '()', ''))`,
    `pg_policies where schemaname = any($1)`,
  ),
  forced: digest(
    `n.nspname || '.' || c.relname`,
    `pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = any($1) and c.relrowsecurity and c.relforcerowsecurity`,
  ),
  grants: digest(
    `concat_ws('|', n.nspname, c.relname, a.grantee::regrole, a.privilege_type, a.is_grantable)`,
    `pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) as a
     where n.nspname = any($1) and c.relkind in ('r', 'p', 'v', 'm')`,
  ),
  functions: digest(
    `n.nspname || '.' || p.proname || md5(p.prosrc)`,
    `pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = any($1)`,
  ),
  triggers: digest(
    `concat_ws('|', n.nspname, c.relname, t.tgname, t.tgtype, t.tgfoid::regproc, t.tgenabled)`,
    `pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = any($1) and not t.tgisinternal and t.tgname not like 'ts\\_%'`,
  ),
}

/**
 * Reads every row once.
 * @param client sees all rows (BYPASSRLS or superuser); a transaction with a fixed snapshot where others write
 */
export async function gatherFacts(client: ClientBase): Promise<DatabaseFacts> {
  // The text of a time depends on it.
  await client.query(`set time zone 'UTC'`)
  const found = await client.query<{ name: string }>(TABLES, [SCHEMAS])
  const tables: Record<string, { rows: string; sum: string }> = {}
  for (const { name } of found.rows) {
    const { rows } = await client.query<{ rows: string; sum: string }>(
      `select count(*)::text as rows, coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text as sum from ${name} t`,
    )
    if (rows[0]) tables[name] = rows[0]
  }
  const rights: Record<string, string> = {}
  for (const [name, sql] of Object.entries(RIGHTS)) {
    rights[name] = (await client.query<{ value: string }>(sql, [SCHEMAS])).rows[0]?.value ?? ''
  }
  return { tables, rights }
}

/** @returns what differs, in words; empty when the two are equal */
export function compareFacts(before: DatabaseFacts, after: DatabaseFacts): string[] {
  const names = [...new Set([...Object.keys(before.tables), ...Object.keys(after.tables)])]
  const tables = names.flatMap((name) => {
    const [was, is] = [before.tables[name], after.tables[name]]
    if (!was || !is) return [`${name} is ${is ? 'new' : 'missing'}`]
    if (was.rows !== is.rows) return [`${name} has ${is.rows} rows instead of ${was.rows}`]
    return was.sum === is.sum ? [] : [`${name} has other contents in its ${is.rows} rows`]
  })
  const rights = Object.keys({ ...before.rights, ...after.rights })
    .filter((name) => before.rights[name] !== after.rights[name])
    .map((name) => `the ${name} differ`)
  return [...tables, ...rights]
}
