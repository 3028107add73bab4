import { randomUUID } from 'node:crypto'

import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'
import { z } from 'zod'

import { invalid, notFound, parseInput, uuid } from './input.ts'
import { LIMIT_SENSORS, type RULE_KINDS, SEVERITIES } from './lists.ts'
import { category, facility, zone } from './parameters.ts'

const parSchema = z
  .strictObject({
    facility,
    zone,
    category,
    low: z.coerce.number().int().min(0).max(100_000),
    high: z.coerce.number().int().min(0).max(100_000).optional(),
  })
  .refine(({ low, high }) => high === undefined || high >= low, { path: ['high'], error: 'must not be below `low`' })

const common = {
  facility,
  name: z.string().trim().min(1).max(200),
  severity: z.enum(SEVERITIES).default('warning'),
}
const limit = z.coerce.number().min(-200).max(1_000).optional()
const ruleSchema = z.discriminatedUnion('kind', [
  z
    .strictObject({
      ...common,
      kind: z.literal('sensor_limit'),
      zone,
      sensor: z.enum(LIMIT_SENSORS),
      low: limit,
      high: limit,
    })
    .refine(({ low, high }) => low !== undefined || high !== undefined, {
      path: ['low'],
      error: 'needs `low` or `high`',
    })
    .refine(({ low, high }) => low === undefined || high === undefined || high > low, {
      path: ['high'],
      error: 'must be above `low`',
    }),
  z.strictObject({
    ...common,
    kind: z.literal('missing'),
    category: category.optional(),
    minutes: z.coerce.number().int().min(1).max(100_000),
  }),
])
const ackSchema = z.strictObject({ id: uuid, note: z.string().trim().min(1).max(500).optional() })
const endSchema = z.strictObject({ id: uuid })

interface ParLevel {
  readonly id: string
  readonly low: number
  readonly high: number | null
}

export interface AlertRule {
  readonly id: string
  readonly facility: string
  readonly name: string
  readonly kind: (typeof RULE_KINDS)[number]
  readonly severity: (typeof SEVERITIES)[number]
  readonly zone: string | null
  readonly sensor: string | null
  /** In units of the sensor. */
  readonly low: number | null
  readonly high: number | null
  readonly category: string | null
  readonly minutes: number | null
}

interface Acknowledged {
  readonly id: string
  readonly state: 'acknowledged'
  readonly acknowledgedBy: string
  readonly acknowledgedAt: Date
}

/**
 * Says how many things of a category should be in a zone, in place of what was said before.
 * @throws BioTrakrError INPUT_INVALID or NOT_FOUND
 */
export async function setParLevel(client: ClientBase, wish: unknown): Promise<ParLevel> {
  const { facility: house, zone: place, category: kind, low, high = null } = parseInput(parSchema, wish)
  const where = await placeOf(client, house, place)
  const categoryId = await categoryOf(client, kind)
  const { rows } = await client.query<ParLevel>(
    `insert into rtls.par_level (id, org_id, facility_id, zone_id, category_id, low, high)
     values ($1, iam.current_org(), $2, $3, $4, $5, $6)
     on conflict (org_id, zone_id, category_id) where ended_at is null
       do update set low = excluded.low, high = excluded.high
     returning id, low, high`,
    [randomUUID(), where.facilityId, where.zoneId, categoryId, low, high],
  )
  return rows[0] as ParLevel
}

/** @throws BioTrakrError INPUT_INVALID or NOT_FOUND */
export function endParLevel(client: ClientBase, wish: unknown): Promise<{ readonly id: string }> {
  return end(client, 'rtls.par_level', 'par level', wish)
}

/**
 * A rule that raises alerts from now on: readings of a zone beyond limits, or assets that are not heard.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, or CONFLICT for a name that the facility has already
 */
export async function addAlertRule(client: ClientBase, wish: unknown): Promise<{ readonly id: string }> {
  const rule = parseInput(ruleSchema, wish)
  const isLimit = rule.kind === 'sensor_limit'
  const where = await placeOf(client, rule.facility, isLimit ? rule.zone : undefined)
  const named = isLimit ? undefined : rule.category
  const categoryId = named === undefined ? null : await categoryOf(client, named)
  const milli = (value: number | undefined) => (value === undefined ? null : Math.round(value * 1_000))
  const limits = isLimit ? [rule.sensor, milli(rule.low), milli(rule.high), null] : [null, null, null, rule.minutes]
  const { rows } = await client.query<{ id: string }>(
    `insert into rtls.alert_rule (id, org_id, facility_id, name, kind, severity, zone_id, sensor, low, high, minutes, category_id)
     values ($1, iam.current_org(), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     on conflict (org_id, facility_id, name) where ended_at is null do nothing returning id`,
    [randomUUID(), where.facilityId, rule.name, rule.kind, rule.severity, where.zoneId ?? null, ...limits, categoryId],
  )
  if (rows[0]) return rows[0]
  throw new BioTrakrError(`${rule.facility} has a rule "${rule.name}" already`, {
    code: 'CONFLICT',
    next: 'End that one first, or choose another name.',
  })
}

/** Alerts that it raised stay, and are resolved by the next run of the job. @throws BioTrakrError INPUT_INVALID or NOT_FOUND */
export function endAlertRule(client: ClientBase, wish: unknown): Promise<{ readonly id: string }> {
  return end(client, 'rtls.alert_rule', 'rule', wish)
}

/** Rules that are in force, by facility and name. */
export async function listAlertRules(client: ClientBase): Promise<AlertRule[]> {
  const { rows } = await client.query<AlertRule>(
    `select u.id, f.code as facility, u.name, u.kind, u.severity, z.code as zone, u.sensor, u.low / 1000.0::float8 as low,
       u.high / 1000.0::float8 as high, k.code as category, u.minutes
     from rtls.alert_rule u
     join site.facility f on f.org_id = u.org_id and f.id = u.facility_id
     left join site.zone z on z.org_id = u.org_id and z.id = u.zone_id
     left join asset.category k on k.org_id = u.org_id and k.id = u.category_id
     where u.ended_at is null order by f.code, u.name`,
  )
  return rows
}

/** Somebody has seen it. @throws BioTrakrError INPUT_INVALID, or NOT_FOUND for an alert that is resolved or not there */
export async function acknowledgeAlert(client: ClientBase, wish: unknown): Promise<Acknowledged> {
  const { id, note = null } = parseInput(ackSchema, wish)
  const { rows } = await client.query<Acknowledged>(
    `update rtls.alert set state = 'acknowledged', ack_by = current_setting('app.actor'), ack_at = now(), note = coalesce($2, note)
     where id = $1 and state <> 'resolved'
     returning id, state, ack_by as "acknowledgedBy", ack_at as "acknowledgedAt"`,
    [id, note],
  )
  if (rows[0]) return rows[0]
  throw notFound('unresolved alert', id)
}

async function end(client: ClientBase, table: string, what: string, wish: unknown): Promise<{ readonly id: string }> {
  const { id } = parseInput(endSchema, wish)
  const { rows } = await client.query<{ id: string }>(
    `update ${table} set ended_at = now() where id = $1 and ended_at is null returning id`,
    [id],
  )
  if (rows[0]) return rows[0]
  throw notFound(what, id)
}

interface Place {
  readonly facilityId: number
  readonly zoneId: number | undefined
}

async function placeOf(client: ClientBase, house: string, place: string | undefined): Promise<Place> {
  const houses = await client.query<{ id: number }>('select id from site.facility where code = $1', [house])
  const facilityId = houses.rows[0]?.id
  if (facilityId === undefined) throw notFound('facility', house)
  if (place === undefined) return { facilityId, zoneId: undefined }
  const zones = await client.query<{ id: number; rooms: number }>(
    `select z.id, (select count(*)::integer from site.zone_room m where m.org_id = z.org_id and m.zone_id = z.id) as rooms
     from site.zone z where z.facility_id = $1 and z.code = $2`,
    [facilityId, place],
  )
  const found = zones.rows[0]
  if (!found) throw notFound('zone', `${house}/${place}`)
  if (found.rooms > 0) return { facilityId, zoneId: found.id }
  throw invalid([{ pointer: '/zone', code: 'empty', detail: 'has no rooms, so nothing could ever be in it' }])
}

async function categoryOf(client: ClientBase, code: string): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    'select id from asset.category where code = $1 and deleted_at is null',
    [code],
  )
  if (rows[0]) return rows[0].id
  throw notFound('category', code)
}
