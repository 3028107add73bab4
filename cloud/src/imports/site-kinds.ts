import { decimal, integer, json, oneOf, text, truth } from './cell-types.ts'
import type { Row } from './column.ts'
import { RECEIVER_KINDS, RECEIVER_STATUSES, ROOM_KINDS } from './lists.ts'
import type { RegistryColumn, RegistryKind } from './registry-kind.ts'

export const code = text(64)
const name = text(200)
const metres = decimal(-10_000, 10_000)

export const facilityColumn: RegistryColumn = {
  name: 'facility',
  aliases: ['facility_code', 'site', 'hospital'],
  type: code,
  sql: 'integer',
  db: 'facility_id',
  required: true,
  names: { what: 'facility' },
  about: 'code of the facility; may be left out with `--facility`',
}

function together(names: readonly string[]): NonNullable<RegistryKind['check']> {
  const isThere = (row: Row, column: string) => row.values[column] !== undefined && row.values[column] !== null
  return (row, complain) => {
    const missing = names.filter((column) => !isThere(row, column))
    if (missing.length === 0 || missing.length === names.length) return
    const message = `is needed together with ${names.filter((column) => isThere(row, column)).join(', ')}`
    complain(row, { column: missing[0] ?? '', code: 'MISSING', message })
  }
}

export const departments: RegistryKind = {
  kind: 'departments',
  table: 'site.department',
  makesIds: false,
  key: ['facility', 'code'],
  columns: [
    facilityColumn,
    { name: 'code', type: code, sql: 'text', required: true, about: 'unique in its facility' },
    { name: 'name', type: name, sql: 'text', required: true, about: 'as people call it' },
    {
      name: 'parent',
      type: code,
      sql: 'integer',
      db: 'parent_id',
      isParent: true,
      about: 'code of the department above, there or in the same file',
    },
    { name: 'cost_center', aliases: ['cost_centre'], type: code, sql: 'text', about: 'cost centre' },
    { name: 'phone', type: code, sql: 'text', about: 'telephone' },
  ],
  existing: `select t.id, f.code || e'\\n' || t.code as key, t.row_version, f.code || e'\\n' || p.code as parent, null as state
    from site.department t join site.facility f on f.org_id = t.org_id and f.id = t.facility_id
    left join site.department p on p.org_id = t.org_id and p.id = t.parent_id`,
  exported: `select f.code, t.code, t.name, p.code, t.cost_center, t.phone
    from site.department t join site.facility f on f.org_id = t.org_id and f.id = t.facility_id
    left join site.department p on p.org_id = t.org_id and p.id = t.parent_id`,
  order: 'f.code collate "C", t.code collate "C"',
}

const isPolygon = (value: unknown) =>
  Array.isArray(value) &&
  value.length >= 3 &&
  value.length <= 200 &&
  value.every(
    (point) => Array.isArray(point) && point.length === 2 && point.every((n) => Math.abs(Number(n)) <= 10_000),
  )

export const rooms: RegistryKind = {
  kind: 'rooms',
  table: 'site.room',
  makesIds: false,
  key: ['facility', 'code'],
  columns: [
    facilityColumn,
    {
      name: 'code',
      aliases: ['room_code', 'room'],
      type: code,
      sql: 'text',
      required: true,
      about: 'unique in its facility',
    },
    { name: 'name', aliases: ['room_name'], type: name, sql: 'text', required: true, about: 'as people call it' },
    {
      name: 'kind',
      aliases: ['room_kind', 'type'],
      type: oneOf(ROOM_KINDS),
      sql: 'text',
      fallback: `'other'`,
      about: 'what it is for; `other` when empty',
    },
    {
      name: 'floor',
      type: code,
      sql: 'integer',
      db: 'floor_id',
      names: { what: 'floor', isOfFacility: true },
      about: 'code of the floor',
    },
    { name: 'building', type: code, sql: 'text', db: '', about: 'code of the building, for `--create-parents`' },
    {
      name: 'floor_level',
      aliases: ['level'],
      type: integer(-20, 200),
      sql: 'integer',
      db: '',
      about: 'level of the floor (0 = ground), for `--create-parents`',
    },
    {
      name: 'department',
      type: code,
      sql: 'integer',
      db: 'department_id',
      names: { what: 'department', isOfFacility: true },
      about: 'code of the department',
    },
    { name: 'x', type: metres, sql: 'double precision', about: 'metres from the origin of the map' },
    { name: 'y', type: metres, sql: 'double precision', about: 'metres from the origin of the map' },
    { name: 'area_m2', type: decimal(0, 1_000_000), sql: 'double precision', about: 'area in square metres' },
    { name: 'capacity', type: integer(0, 10_000), sql: 'integer', about: 'how many people or things' },
    { name: 'is_tracked', type: truth, sql: 'boolean', fallback: 'true', about: 'whether things are placed in it' },
    {
      name: 'polygon',
      type: json(isPolygon, 'corners in metres as JSON, such as [[0,0],[4,0],[4,3]]'),
      sql: 'jsonb',
      about: 'corners in metres as JSON',
    },
  ],
  check: together(['x', 'y']),
  existing: `select t.id, f.code || e'\\n' || t.code as key, t.row_version, null as parent, null as state
    from site.room t join site.facility f on f.org_id = t.org_id and f.id = t.facility_id`,
  exported: `select f.code, t.code, t.name, t.kind, l.code, b.code, l.level, d.code, t.x, t.y, t.area_m2, t.capacity, t.is_tracked,
      t.polygon
    from site.room t join site.facility f on f.org_id = t.org_id and f.id = t.facility_id
    left join site.floor l on l.org_id = t.org_id and l.id = t.floor_id
    left join site.building b on b.org_id = l.org_id and b.id = l.building_id
    left join site.department d on d.org_id = t.org_id and d.id = t.department_id`,
  order: 'f.code collate "C", t.code collate "C"',
}

const place = together(['x', 'y', 'z'])
const portal = together(['portal', 'portal_place'])

export const receivers: RegistryKind = {
  kind: 'receivers',
  table: 'site.receiver',
  makesIds: false,
  key: ['facility', 'code'],
  columns: [
    facilityColumn,
    { name: 'code', aliases: ['receiver'], type: code, sql: 'text', required: true, about: 'as in the site map' },
    { name: 'kind', aliases: ['type'], type: oneOf(RECEIVER_KINDS), sql: 'text', required: true, about: 'what it is' },
    {
      name: 'gateway',
      type: name,
      sql: 'integer',
      db: 'gateway_id',
      names: { what: 'gateway', isOfFacility: true },
      about: 'name of the gateway that it belongs to',
    },
    {
      name: 'room',
      type: code,
      sql: 'integer',
      db: 'room_id',
      names: { what: 'room', isOfFacility: true },
      about: 'code of the room that it hangs in',
    },
    { name: 'x', type: metres, sql: 'double precision', about: 'metres from the origin of the map' },
    { name: 'y', type: metres, sql: 'double precision', about: 'metres from the origin of the map' },
    { name: 'z', type: metres, sql: 'double precision', about: 'metres above the floor' },
    { name: 'is_exact', type: truth, sql: 'boolean', fallback: 'false', about: 'whether it hears its own room only' },
    { name: 'portal', type: code, sql: 'text', about: 'name of the doorway that it watches' },
    { name: 'portal_place', type: integer(1, 8), sql: 'integer', about: 'its place in the order of passing' },
    { name: 'status', type: oneOf(RECEIVER_STATUSES), sql: 'text', fallback: `'active'`, about: '`active` when empty' },
  ],
  check: (row, complain, before) => {
    place(row, complain, before)
    portal(row, complain, before)
  },
  existing: `select t.id, f.code || e'\\n' || t.code as key, t.row_version, null as parent, null as state
    from site.receiver t join site.facility f on f.org_id = t.org_id and f.id = t.facility_id`,
  exported: `select f.code, t.code, t.kind, g.name, r.code, t.x, t.y, t.z, t.is_exact, t.portal, t.portal_place, t.status
    from site.receiver t join site.facility f on f.org_id = t.org_id and f.id = t.facility_id
    left join site.gateway g on g.org_id = t.org_id and g.id = t.gateway_id
    left join site.room r on r.org_id = t.org_id and r.id = t.room_id`,
  order: 'f.code collate "C", t.code collate "C"',
}
