import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput } from './input.ts'
import { DATA_CLASSES, type DataClass, RETENTION_DAYS } from './lists.ts'

export interface RetentionRule {
  readonly dataClass: DataClass
  readonly days: number
  readonly legalBasis: string
  /** A legal hold stops deletion at present. */
  readonly held: boolean
}

const DEFAULT_BASIS = 'default of this product'
const ruleSchema = z.strictObject({
  dataClass: z.enum(DATA_CLASSES),
  days: z.int().min(1).max(36_500),
  legalBasis: z.string().trim().min(1).max(500),
})

const ACTIVE_HOLD = 'h.from_t <= $1 and (h.to_t is null or h.to_t > $1)'

/** How long the tenant keeps what. */
export async function listRetention(
  client: ClientBase,
  { nowMs }: { readonly nowMs: number },
): Promise<readonly RetentionRule[]> {
  const { rows } = await client.query<RetentionRule>(
    `select c.data_class as "dataClass", coalesce(p.days, c.days) as days, coalesce(p.legal_basis, $2) as "legalBasis",
       exists (select from audit.legal_hold h where h.org_id = iam.current_org()
         and coalesce(h.data_class, c.data_class) = c.data_class and ${ACTIVE_HOLD}) as held
     from json_to_recordset($3::json) as c (data_class text, days integer)
       left join audit.retention_policy p on p.org_id = iam.current_org() and p.data_class = c.data_class
     order by c.data_class`,
    [
      new Date(nowMs),
      DEFAULT_BASIS,
      JSON.stringify(DATA_CLASSES.map((name) => ({ data_class: name, days: RETENTION_DAYS[name] }))),
    ],
  )
  return rows
}

/** @throws BioTrakrError INPUT_INVALID */
export async function setRetention(client: ClientBase, input: unknown): Promise<void> {
  const { dataClass, days, legalBasis } = checkInput(ruleSchema, input)
  await client.query(
    `insert into audit.retention_policy (org_id, data_class, days, legal_basis) values (iam.current_org(), $1, $2, $3)
     on conflict (org_id, data_class) do update set days = $2, legal_basis = $3`,
    [dataClass, days, legalBasis],
  )
}

/** What the history of all tenants may lose: chunks are common to all, so the longest wish holds. */
export interface HistoryRule {
  readonly fixDays: number
  readonly sensorDays: number
  /** Organisations of which nothing of the history may be deleted. */
  readonly heldOrgs: readonly number[]
}

/** @param client logged in as bt_jobs, which sees all tenants */
export async function historyRule(client: ClientBase, { nowMs }: { readonly nowMs: number }): Promise<HistoryRule> {
  const { rows } = await client.query<{ fix: number | null; sensor: number | null; held: number[] }>(
    `select max(coalesce(f.days, $2)) as fix, max(coalesce(s.days, $3)) as sensor,
       coalesce(array_agg(o.id) filter (where exists (select from audit.legal_hold h where h.org_id = o.id
         and (h.data_class is null or h.data_class in ('fix', 'sensor')) and ${ACTIVE_HOLD})), '{}') as held
     from iam.org o
       left join audit.retention_policy f on f.org_id = o.id and f.data_class = 'fix'
       left join audit.retention_policy s on s.org_id = o.id and s.data_class = 'sensor'`,
    [new Date(nowMs), RETENTION_DAYS.fix, RETENTION_DAYS.sensor],
  )
  const { fix, sensor, held } = rows[0] ?? { fix: null, sensor: null, held: [] }
  return { fixDays: fix ?? RETENTION_DAYS.fix, sensorDays: sensor ?? RETENTION_DAYS.sensor, heldOrgs: held }
}

/** What one run deleted. */
export interface RetentionResult {
  readonly months: readonly string[]
  readonly compliance: number
  readonly sessions: number
}

const JOB = 'job:retention'

/**
 * Deletes what no policy keeps and no hold stops: months of the chain, old records of compliance, sessions that are over.
 * @param client logged in as bt_jobs, outside a transaction
 */
export async function applyRetention(
  client: ClientBase,
  { nowMs }: { readonly nowMs: number },
): Promise<RetentionResult> {
  const { rows: orgs } = await client.query<{ id: number }>('select id from iam.org order by id')
  let compliance = 0
  let sessions = 0
  for (const { id } of orgs) {
    const done = await within(client, id, async () => {
      const rules = new Map((await listRetention(client, { nowMs })).map((rule) => [rule.dataClass, rule]))
      const before = (name: DataClass) => {
        const rule = rules.get(name)
        return rule && !rule.held ? new Date(nowMs - rule.days * 86_400_000) : undefined
      }
      return {
        compliance: await deleteCompliance(client, before('compliance')),
        sessions: await deleteSessions(client, before('session')),
      }
    })
    compliance += done.compliance
    sessions += done.sessions
  }
  return { months: await dropMonths(client, { nowMs }), compliance, sessions }
}

async function within<T>(client: ClientBase, orgId: number, work: () => Promise<T>): Promise<T> {
  await client.query('begin')
  try {
    await client.query(
      `select set_config('app.org', $1, true), set_config('app.facilities', 'all', true), set_config('app.actor', $2, true)`,
      [String(orgId), JOB],
    )
    const result = await work()
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}

/** Each deletion is an event of the chain, with what was deleted. */
async function deleteCompliance(client: ClientBase, before: Date | undefined): Promise<number> {
  if (!before) return 0
  const certifications = await client.query(
    'delete from asset.certification where org_id = iam.current_org() and valid_until < $1::timestamptz::date',
    [before],
  )
  const inspections = await client.query(
    'delete from asset.inspection where org_id = iam.current_org() and done_on < $1::timestamptz::date',
    [before],
  )
  return (certifications.rowCount ?? 0) + (inspections.rowCount ?? 0)
}

async function deleteSessions(client: ClientBase, before: Date | undefined): Promise<number> {
  if (!before) return 0
  const sessions = await client.query(
    'delete from iam.session where org_id = iam.current_org() and coalesce(ended_at, expires_at) < $1',
    [before],
  )
  const invitations = await client.query(
    'delete from iam.invitation where org_id = iam.current_org() and coalesce(used_at, expires_at) < $1',
    [before],
  )
  return (sessions.rowCount ?? 0) + (invitations.rowCount ?? 0)
}

/** The database itself refuses a month that is to be kept; the first such month ends the run. */
async function dropMonths(client: ClientBase, { nowMs }: { readonly nowMs: number }): Promise<string[]> {
  const { rows: longest } = await client.query<{ days: number | null; held: boolean | null }>(
    `select max(coalesce(p.days, $2)) as days, bool_or(exists (select from audit.legal_hold h where h.org_id = o.id
       and coalesce(h.data_class, 'audit') = 'audit' and ${ACTIVE_HOLD})) as held
     from iam.org o left join audit.retention_policy p on p.org_id = o.id and p.data_class = 'audit'`,
    [new Date(nowMs), RETENTION_DAYS.audit],
  )
  if (longest[0]?.held || longest[0]?.days == null) return []
  const { rows: parts } = await client.query<{ month: string }>(
    `select replace(right(c.relname, 7), '_', '-') || '-01' as month
     from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'audit.event'::regclass order by 1`,
  )
  const dropped: string[] = []
  for (const { month } of parts) {
    const [year = 0, number = 0] = month.split('-').map(Number)
    if (Date.UTC(year, number, 1) > nowMs - longest[0].days * 86_400_000) break
    await client.query('begin')
    try {
      await client.query(`select set_config('app.actor', $1, true)`, [JOB])
      await client.query('select audit.drop_month($1::date)', [month])
      await client.query('commit')
    } catch (error) {
      await client.query('rollback')
      throw error
    }
    dropped.push(month.slice(0, 7))
  }
  return dropped
}
