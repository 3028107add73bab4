import { isTagId } from '@biotrakr/shared'

import { date, instant, integer, matching, oneOf, pattern, text, truth } from './cell-types.ts'
import { type Row, textIn } from './column.ts'
import {
  ASSET_STATUSES,
  CONDITIONS,
  CRITICALITIES,
  HYGIENE_STATES,
  MOBILITIES,
  OWNERSHIPS,
  TAG_KINDS,
  TAG_STATUSES,
  USE_STATES,
} from './lists.ts'
import type { RegistryColumn, RegistryKind, Standing } from './registry-kind.ts'
import { code, facilityColumn } from './site-kinds.ts'

const plain = (name: string, max: number, about: string): RegistryColumn => ({
  name,
  type: text(max),
  sql: 'text',
  about,
})
const listed = (name: string, list: readonly string[], fallback: string): RegistryColumn => ({
  name,
  type: oneOf(list),
  sql: 'text',
  fallback: `'${fallback}'`,
  about: `${list.map((each) => `\`${each}\``).join(', ')}; \`${fallback}\` when empty`,
})
const ofFacility = (name: string, what: 'department' | 'room', about: string): RegistryColumn => ({
  name,
  type: code,
  sql: 'integer',
  db: `${name}_id`,
  names: { what, isOfFacility: true },
  about,
})

export const categories: RegistryKind = {
  kind: 'categories',
  table: 'asset.category',
  makesIds: true,
  key: ['code'],
  columns: [
    { name: 'code', type: code, sql: 'text', required: true, about: 'unique in the organisation' },
    { name: 'name', type: text(200), sql: 'text', required: true, about: 'as people call it' },
    {
      name: 'parent',
      type: code,
      sql: 'uuid',
      db: 'parent_id',
      isParent: true,
      about: 'code of the category above, there or in the same file',
    },
    { name: 'gmdn_code', type: pattern(/^[0-9]{5}$/, 'five digits'), sql: 'text', about: 'GMDN code, five digits' },
    { name: 'default_pm_days', type: integer(1, 3660), sql: 'integer', about: 'days between two maintenances' },
    { name: 'default_life_months', type: integer(1, 1200), sql: 'integer', about: 'expected life in months' },
  ],
  existing: `select t.id, t.code as key, t.row_version, p.code as parent, null as state from asset.category t
    left join asset.category p on p.org_id = t.org_id and p.id = t.parent_id where t.deleted_at is null`,
  exported: `select t.code, t.name, p.code, t.gmdn_code, t.default_pm_days, t.default_life_months from asset.category t
    left join asset.category p on p.org_id = t.org_id and p.id = t.parent_id where t.deleted_at is null`,
  order: 't.code collate "C"',
}

const RETIRED: readonly (string | undefined)[] = ['retired', 'disposed']

/** A retired asset is restored, and one in use is retired, by people who say why. */
function checkStatus(row: Row, complain: Parameters<NonNullable<RegistryKind['check']>>[1], before?: Standing): void {
  const status = textIn(row, 'status')
  if (before?.state && status !== undefined && status !== before.state) {
    if (RETIRED.includes(before.state) || RETIRED.includes(status)) {
      const message = `is ${before.state}; retire or restore it by \`biotrakr-cloud assets\``
      complain(row, { column: 'status', code: 'CONFLICT', message })
    }
    return
  }
  if (!before && RETIRED.includes(status) && textIn(row, 'retire_reason') === undefined) {
    complain(row, { column: 'retire_reason', code: 'MISSING', message: 'is needed for what is retired or disposed' })
  }
}

export const assets: RegistryKind = {
  kind: 'assets',
  table: 'asset.asset',
  makesIds: true,
  takesAttrs: true,
  key: ['asset_tag'],
  columns: [
    {
      name: 'asset_tag',
      aliases: ['asset_number', 'inventory_number', 'tag_number'],
      type: text(64),
      sql: 'text',
      required: true,
      about: 'number on the asset, unique in the organisation',
    },
    { ...plain('name', 200, 'as people call it'), required: true },
    {
      name: 'category',
      type: code,
      sql: 'uuid',
      db: 'category_id',
      required: true,
      names: { what: 'category' },
      about: 'code of the category',
    },
    facilityColumn,
    ofFacility('department', 'department', 'code of the department that owns it'),
    ofFacility('using_department', 'department', 'code of the department that uses it'),
    ofFacility('home_room', 'room', 'code of the room where it belongs'),
    {
      name: 'parent',
      type: text(64),
      sql: 'uuid',
      db: 'parent_id',
      isParent: true,
      about: 'asset tag of what it is part of, there or in the same file',
    },
    { ...plain('manufacturer', 200, 'maker'), aliases: ['make'] },
    { ...plain('model_name', 200, 'name of the model'), aliases: ['model'] },
    plain('model_no', 100, 'number of the model'),
    { ...plain('serial_no', 100, 'serial number, unique for its maker'), aliases: ['serial', 'serial_number'] },
    { ...plain('lot_no', 100, 'lot'), aliases: ['lot'] },
    plain('firmware_version', 100, 'firmware'),
    plain('software_version', 100, 'software'),
    { name: 'manufactured_on', type: date, sql: 'date', about: 'date' },
    plain('barcode', 200, 'what its barcode says'),
    plain('qr_code', 500, 'what its QR code says'),
    {
      name: 'giai',
      type: pattern(/^[0-9]{4}[!-"%-?A-Z_a-z]{0,26}$/, 'a GS1 asset identifier'),
      sql: 'text',
      about: 'GS1 Global Individual Asset Identifier',
    },
    listed('status', ASSET_STATUSES, 'active'),
    plain('retire_reason', 500, 'why it is retired or disposed'),
    listed('condition', CONDITIONS, 'good'),
    listed('criticality', CRITICALITIES, 'medium'),
    listed('ownership', OWNERSHIPS, 'owned'),
    listed('mobility', MOBILITIES, 'mobile'),
    listed('use_state', USE_STATES, 'unknown'),
    listed('hygiene_state', HYGIENE_STATES, 'unknown'),
    {
      name: 'is_accessory',
      type: truth,
      sql: 'boolean',
      fallback: 'false',
      about: 'belongs to another; `false` when empty',
    },
    { name: 'is_tracked', type: truth, sql: 'boolean', fallback: 'true', about: 'may wear a tag; `true` when empty' },
    { name: 'quantity', type: integer(1, 1_000_000), sql: 'integer', fallback: '1', about: '`1` when empty' },
    {
      name: 'photo_url',
      type: pattern(/^https?:\/\/\S{1,492}$/, 'an address that begins with http:// or https://'),
      sql: 'text',
      about: 'web address of a picture',
    },
    { name: 'description', type: text(4_000, true), sql: 'text', about: 'what it is' },
    { name: 'notes', type: text(4_000, true), sql: 'text', about: 'anything else' },
  ],
  check: checkStatus,
  existing: `select t.id, t.asset_tag as key, t.row_version, p.asset_tag as parent, t.status as state from asset.asset t
    left join asset.asset p on p.org_id = t.org_id and p.id = t.parent_id where t.deleted_at is null`,
  exported: `select t.asset_tag, t.name, c.code, f.code, d.code, u.code, r.code, p.asset_tag, t.manufacturer, t.model_name,
      t.model_no, t.serial_no, t.lot_no, t.firmware_version, t.software_version, t.manufactured_on::text, t.barcode, t.qr_code,
      t.giai, t.status, t.retire_reason, t.condition, t.criticality, t.ownership, t.mobility, t.use_state, t.hygiene_state,
      t.is_accessory, t.is_tracked, t.quantity, t.photo_url, t.description, t.notes, t.attrs
    from asset.asset t join site.facility f on f.org_id = t.org_id and f.id = t.facility_id
    join asset.category c on c.org_id = t.org_id and c.id = t.category_id
    left join site.department d on d.org_id = t.org_id and d.id = t.department_id
    left join site.department u on u.org_id = t.org_id and u.id = t.using_department_id
    left join site.room r on r.org_id = t.org_id and r.id = t.home_room_id
    left join asset.asset p on p.org_id = t.org_id and p.id = t.parent_id where t.deleted_at is null`,
  order: 't.asset_tag collate "C"',
}

const TAG_WORDS = 'the identity of a tag, such as ble:c30000123456 or epc:urn:epc:id:sgtin:...'
/** Those that imports of older systems made stand beside those that are heard. */
const isIdentity = (cell: string) => isTagId(cell) || /^legacy:[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?$/.test(cell)

export const tags: RegistryKind = {
  kind: 'tags',
  table: 'rtls.tag',
  makesIds: false,
  key: ['identity'],
  columns: [
    {
      name: 'identity',
      aliases: ['tag', 'tag_id'],
      type: matching(isIdentity, TAG_WORDS),
      sql: 'text',
      required: true,
      about: 'canonical identity, unique in the organisation',
    },
    {
      name: 'kind',
      aliases: ['type'],
      type: oneOf(TAG_KINDS),
      sql: 'text',
      fallback: `'ble'`,
      about: '`ble` when empty',
    },
    plain('label', 200, 'what is written on it'),
    plain('model', 100, 'model'),
    { ...facilityColumn, required: false, about: 'code of the facility; empty when it may be anywhere' },
    listed('status', TAG_STATUSES, 'active'),
  ],
  check: (row, complain, before) => {
    const status = textIn(row, 'status')
    if (!before || status === undefined || status === before.state) return
    if (status !== 'retired' && before.state !== 'retired') return
    const message = `is ${before.state}; a tag is retired by \`biotrakr-cloud tags retire\`, for good`
    complain(row, { column: 'status', code: 'CONFLICT', message })
  },
  existing: `select t.id, t.identity as key, t.row_version, null as parent, t.status as state from rtls.tag t`,
  note: `select audit.append('change', 'register', 'rtls.tag', t.id::text, t.facility_id,
      new => jsonb_build_object('identity', t.identity, 'kind', t.kind, 'label', t.label, 'model', t.model))
    from rtls.tag t where t.identity = any ($1)`,
  exported: `select t.identity, t.kind, t.label, t.model, f.code, t.status from rtls.tag t
    left join site.facility f on f.org_id = t.org_id and f.id = t.facility_id`,
  order: 't.identity collate "C"',
}

export const assignments: RegistryKind = {
  kind: 'assignments',
  table: 'rtls.tag_assignment',
  makesIds: true,
  key: ['tag', 'from'],
  columns: [
    {
      name: 'tag',
      aliases: ['identity', 'tag_id'],
      type: matching(isIdentity, TAG_WORDS),
      sql: 'integer',
      db: 'tag_id',
      required: true,
      names: { what: 'tag' },
      about: 'identity of the tag',
    },
    {
      name: 'asset_tag',
      aliases: ['asset'],
      type: text(64),
      sql: 'uuid',
      db: 'asset_id',
      required: true,
      names: { what: 'asset' },
      about: 'number on the asset',
    },
    {
      name: 'from',
      aliases: ['from_t'],
      type: instant,
      sql: 'timestamptz',
      db: 'from_t',
      required: true,
      about: 'when it was put on',
    },
    {
      name: 'to',
      aliases: ['to_t'],
      type: instant,
      sql: 'timestamptz',
      db: 'to_t',
      about: 'when it was taken off; empty while it is on',
    },
    {
      name: 'primary',
      type: truth,
      sql: 'boolean',
      db: 'is_primary',
      fallback: 'true',
      about: 'whether it places the asset',
    },
    plain('reason', 500, 'why'),
  ],
  existing: `select t.id, g.identity || e'\\n' || to_char(t.from_t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as key,
      t.row_version, null as parent, null as state
    from rtls.tag_assignment t join rtls.tag g on g.org_id = t.org_id and g.id = t.tag_id where t.asset_id is not null`,
  exported: `select g.identity, a.asset_tag, t.from_t, t.to_t, t.is_primary, t.reason
    from rtls.tag_assignment t join rtls.tag g on g.org_id = t.org_id and g.id = t.tag_id
    join asset.asset a on a.org_id = t.org_id and a.id = t.asset_id and a.deleted_at is null`,
  order: 'g.identity collate "C", t.from_t',
}
