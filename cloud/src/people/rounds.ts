import { randomUUID } from 'node:crypto'

import type { ClientBase } from 'pg'
import { z } from 'zod'

import { facilityOf } from './encounters.ts'
import { instant, notFound, parseInput, personText, uuid } from './input.ts'
import { STAFF_GROUPS } from './lists.ts'
import { inWords } from './refusals.ts'
import { currentOrg, needPurpose } from './scope.ts'

const code = z.string().min(1).max(64)

const planSchema = z
  .strictObject({
    facility: code,
    /** Code of the zone, each room of which is to be visited. */
    zone: code,
    name: personText(200),
    group: z.enum(STAFF_GROUPS),
    everyMin: z.int().min(15).max(1_440),
    minPresenceS: z.int().min(5).max(3_600),
    /** Minutes of the facility's local day; above 1440 = after midnight. */
    fromMinute: z.int().min(0).max(1_439).default(0),
    toMinute: z.int().min(1).max(2_879).default(1_440),
    /** Rounds are due from then on; now when absent. */
    from: instant.optional(),
  })
  .refine(({ fromMinute, toMinute }) => toMinute > fromMinute && toMinute <= fromMinute + 1_440, {
    error: 'must be after `fromMinute`, by a day at most',
    path: ['toMinute'],
  })

export interface RoundPlan {
  readonly id: string
  readonly facility: string
  readonly zone: string
  readonly name: string
  readonly group: (typeof STAFF_GROUPS)[number]
  readonly everyMin: number
  readonly minPresenceS: number
  readonly fromMinute: number
  readonly toMinute: number
  readonly from: Date
  readonly endedAt: Date | null
}

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND for facility or zone, CONFLICT for a name in use */
export async function createRoundPlan(client: ClientBase, input: unknown): Promise<{ id: string }> {
  const plan = parseInput(planSchema, input)
  const orgId = await currentOrg(client)
  const facilityId = await facilityOf(client, plan.facility)
  const zones = await client.query<{ id: number }>(
    'select id from site.zone where org_id = $1 and facility_id = $2 and code = $3',
    [orgId, facilityId, plan.zone],
  )
  const zone = zones.rows[0]
  if (!zone) throw notFound('zone')
  const id = randomUUID()
  const { name, group, everyMin, minPresenceS, fromMinute, toMinute } = plan
  await inWords(() =>
    client.query(
      `insert into care.round_plan (id, org_id, facility_id, zone_id, name, staff_group, every_min, min_presence_s,
         from_minute, to_minute, from_t)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, coalesce($11, now()))`,
      [id, orgId, facilityId, zone.id, name, group, everyMin, minPresenceS, fromMinute, toMinute, plan.from ?? null],
    ),
  )
  return { id }
}

/** No round is due after now. @throws BioTrakrError NOT_FOUND, also for a plan that has ended */
export async function endRoundPlan(client: ClientBase, id: string): Promise<void> {
  const { rowCount } = await client.query(
    `update care.round_plan set ended_at = now()
     where org_id = (select iam.current_org()) and id = $1 and ended_at is null`,
    [parseInput(uuid, id)],
  )
  if (rowCount === 0) throw notFound('plan that has not ended')
}

export async function listRoundPlans(client: ClientBase): Promise<RoundPlan[]> {
  const { rows } = await client.query<RoundPlan>(
    `select p.id, f.code as facility, z.code as zone, p.name, p.staff_group as "group", p.every_min as "everyMin",
       p.min_presence_s as "minPresenceS", p.from_minute as "fromMinute", p.to_minute as "toMinute", p.from_t as "from",
       p.ended_at as "endedAt"
     from care.round_plan p
     join site.facility f on f.org_id = p.org_id and f.id = p.facility_id
     join site.zone z on z.org_id = p.org_id and z.id = p.zone_id
     where p.org_id = (select iam.current_org()) order by f.code, p.name`,
  )
  return rows
}

const roundQuery = z.strictObject({
  facility: code,
  from: instant,
  to: instant,
  limit: z.coerce.number().int().min(1).max(1_000).default(200),
})

export interface Round {
  readonly plan: string
  readonly room: string
  readonly dueAt: Date
  readonly state: 'due' | 'done' | 'missed'
  readonly doneAt: Date | null
  readonly staffId: string | null
  readonly presenceS: number | null
  /** The stay that proves it. */
  readonly evidence: { readonly tag: string; readonly from: string; readonly to: string } | null
}

/** Rounds of a facility by the time at which they were due. @throws BioTrakrError INPUT_INVALID, NOT_FOUND, NOT_ALLOWED */
export async function listRounds(client: ClientBase, query: unknown): Promise<Round[]> {
  const { facility, from, to, limit } = parseInput(roundQuery, query)
  await needPurpose(client)
  const facilityId = await facilityOf(client, facility)
  const { rows } = await client.query<Round>(
    `select p.name as plan, r.code as room, d.due_at as "dueAt", d.state, d.done_at as "doneAt", d.staff_id as "staffId",
       d.presence_s as "presenceS", d.evidence
     from care.round d
     join care.round_plan p on p.org_id = d.org_id and p.id = d.plan_id
     join site.room r on r.org_id = d.org_id and r.id = d.room_id
     where d.org_id = (select iam.current_org()) and d.facility_id = $1 and d.due_at >= $2 and d.due_at < $3
     order by d.due_at, p.name, r.code limit $4`,
    [facilityId, from, to, limit],
  )
  return rows
}

/** Late data of this age still changes what was missed. */
const LOOK_BACK = '48 hours'
/** Until history of a moment can be expected here. */
const SETTLE = '10 minutes'

/**
 * When somebody is due: every so many minutes of the local day, first at the end of the first period. A window after
 * midnight belongs to the day in which it began.
 */
const DUE = `
  select p.org_id, p.id as plan_id, p.facility_id, p.zone_id, p.staff_group, p.every_min, p.min_presence_s, d.due_at
  from care.round_plan p
  join site.facility f on f.org_id = p.org_id and f.id = p.facility_id
  cross join lateral generate_series(
    date_trunc('day', ($2::timestamptz - interval '${LOOK_BACK}') at time zone f.time_zone) - interval '1 day',
    date_trunc('day', $2::timestamptz at time zone f.time_zone), interval '1 day') as day
  cross join lateral generate_series(p.from_minute + p.every_min, p.to_minute, p.every_min) as minute
  cross join lateral (select (day + minute * interval '1 minute') at time zone f.time_zone as due_at) as d
  where p.org_id = $1 and d.due_at > $2::timestamptz - interval '${LOOK_BACK}'
    and d.due_at - p.every_min * interval '1 minute' between p.from_t and $2::timestamptz
    and d.due_at <= coalesce(p.ended_at, 'infinity')`

/** Stays of staff, cut at the borders of who wore the tag when. */
const STAYS = `
  select a.staff_id, s.staff_group, t.identity as tag, y.room_id, greatest(y.t, a.from_t) as t,
    least(y.leave_t, a.to_t) as leave_t
  from rtls.tag_assignment a
  join care.staff s on s.org_id = a.org_id and s.id = a.staff_id
  join rtls.tag t on t.org_id = a.org_id and t.id = a.tag_id
  join telemetry.stay y on y.org_id = a.org_id and y.tag_id = a.tag_id and y.room_id is not null
    and y.leave_t >= a.from_t and y.t < coalesce(a.to_t, 'infinity')
  where a.org_id = $1 and a.staff_id is not null
    and y.t > $2::timestamptz - interval '${LOOK_BACK}' - interval '50 hours' and y.t <= $2::timestamptz`

/** The first stay that is long enough within the period. A period in which nobody came is missed once it has settled. */
const DERIVE = `
  with due as (${DUE}), stays as materialized (${STAYS}), derived as (
    select d.org_id, d.facility_id, d.plan_id, z.room_id, d.due_at, v.done_at, v.staff_id, v.presence_s, v.evidence,
      case when v.staff_id is not null then 'done' when d.due_at + interval '${SETTLE}' < $2::timestamptz then 'missed'
        else 'due' end as state
    from due d
    join site.zone_room z on z.org_id = d.org_id and z.zone_id = d.zone_id
    left join lateral (
      select s.staff_id, c.from_t + d.min_presence_s * interval '1 second' as done_at,
        extract(epoch from c.to_t - c.from_t)::integer as presence_s,
        jsonb_build_object('tag', s.tag, 'from', s.t, 'to', s.leave_t) as evidence
      from stays s
      cross join lateral (select greatest(s.t, d.due_at - d.every_min * interval '1 minute') as from_t,
        least(s.leave_t, d.due_at) as to_t) as c
      where s.room_id = z.room_id and s.staff_group = d.staff_group
        and c.to_t - c.from_t >= d.min_presence_s * interval '1 second'
      order by c.from_t, s.staff_id limit 1) as v on true
  )
  insert into care.round as r (org_id, facility_id, plan_id, room_id, due_at, state, done_at, staff_id, presence_s, evidence)
  select org_id, facility_id, plan_id, room_id, due_at, state, done_at, staff_id, presence_s, evidence from derived
  on conflict (org_id, plan_id, room_id, due_at) do update set state = excluded.state, done_at = excluded.done_at,
    staff_id = excluded.staff_id, presence_s = excluded.presence_s, evidence = excluded.evidence
  where (r.state, r.done_at, r.staff_id, r.presence_s, r.evidence)
    is distinct from (excluded.state, excluded.done_at, excluded.staff_id, excluded.presence_s, excluded.evidence)`

/**
 * Derives the rounds of the last two days from the stays of staff; what was missed becomes done when late data says so.
 * As bt_jobs, within the scope of one organisation.
 * @param now instant (ISO 8601)
 * @returns rows that are new or changed
 */
export async function deriveRounds(client: ClientBase, now: string): Promise<number> {
  const orgId = await currentOrg(client)
  const { rowCount } = await client.query(DERIVE, [orgId, now])
  return rowCount ?? 0
}
