import { z } from 'zod'

import type { Report } from './definition.ts'
import { anyCategory, anyFacility, category, facility, room } from './parameters.ts'

const REGISTER = {
  asset: 'number of the asset',
  name: 'what it is called',
  manufacturer: 'maker',
  model: "maker's model",
  serial: 'serial number',
  category: 'code of its category',
  facility: 'code of its home facility',
  department: 'code of the department that owns it',
  home_room: 'code of its home room',
  status: 'state in its life',
  condition: 'how well it is kept',
}

const REGISTER_COLUMNS = `a.asset_tag as asset, a.name, a.manufacturer, a.model_name as model, a.serial_no as serial,
  k.code as category, f.code as facility, d.code as department, r.code as home_room, a.status, a.condition`
const REGISTER_JOINS = `join asset.category k on k.org_id = a.org_id and k.id = a.category_id
join site.facility f on f.org_id = a.org_id and f.id = a.facility_id
left join site.department d on d.org_id = a.org_id and d.id = a.department_id
left join site.room r on r.org_id = a.org_id and r.id = a.home_room_id`

/** Finding things in the register. */
export const assetReports: readonly Report[] = [
  {
    id: 'AS01',
    name: 'asset-by-code',
    title: 'Asset by its code',
    question: 'Which asset has this number, barcode, serial or scanned code?',
    parameters: z.strictObject({
      code: z.string().trim().min(1).max(200).describe('asset number, barcode, QR code or serial number'),
    }),
    columns: REGISTER,
    // The search narrows by its index; what it finds must then be just this code.
    sql: `select ${REGISTER_COLUMNS}
from asset.search({code}, '{}', 200) h
join asset.asset a on a.org_id = (select iam.current_org()) and a.id = h.id
${REGISTER_JOINS}
where lower({code}) in (lower(a.asset_tag), lower(a.barcode), lower(a.qr_code), lower(a.serial_no))
order by (a.asset_tag = {code}) desc, a.asset_tag`,
    permission: 'asset.read',
    role: 'viewer',
    maxRows: 100,
    reliesOn: 'function asset.search (index asset_search)',
  },
  {
    id: 'AS03',
    name: 'asset-search',
    title: 'Search of assets',
    question: 'Which assets go by these words, also when they are misspelt?',
    parameters: z.strictObject({
      text: z.string().trim().min(1).max(200).describe('up to six words'),
    }),
    columns: { ...REGISTER, meant: 'the words that were taken instead, when too few had those asked for' },
    sql: `select ${REGISTER_COLUMNS}, h.corrected as meant
from asset.search({text}, '{}', 200) h
join asset.asset a on a.org_id = (select iam.current_org()) and a.id = h.id
${REGISTER_JOINS}
order by h.place`,
    permission: 'asset.read',
    role: 'viewer',
    maxRows: 200,
    reliesOn: 'function asset.search (indexes asset_search, search_word_deletes)',
  },
  {
    id: 'AS05',
    name: 'asset-list',
    title: 'List of assets',
    question: 'Which assets has a facility, department or category, in which state?',
    parameters: z.strictObject({
      facility: anyFacility,
      category: anyCategory,
      department: z.string().min(1).max(64).optional().describe('code of a department of the facility'),
      status: z.string().min(1).max(20).optional().describe('state in its life, such as active or in_repair'),
      after: z.string().max(64).default('').describe('number of the last asset of the page before'),
    }),
    columns: REGISTER,
    sql: `select ${REGISTER_COLUMNS}
from asset.asset a
${REGISTER_JOINS}
where a.deleted_at is null and a.asset_tag > {after}
  and ({facility}::text is null or f.code = {facility}) and ({category}::text is null or k.code = {category})
  and ({department}::text is null or d.code = {department}) and ({status}::text is null or a.status = {status})
order by a.asset_tag`,
    permission: 'asset.read',
    role: 'viewer',
    maxRows: 1_000,
    reliesOn: 'index asset_tag',
  },
  {
    id: 'AS06',
    name: 'nearest-free',
    title: 'Nearest free asset',
    question: 'Which assets of a category that nobody uses are the fewest doors away from a room?',
    parameters: z.strictObject({ facility, room, category }),
    columns: {
      asset: 'number of the asset',
      name: 'what it is called',
      room: 'where it is now',
      doors: 'how many doors lie between',
      use: 'whether it is known to be free (idle, stored) or not known',
      hygiene: 'whether it is clean, as far as is known',
      heard: 'when its tag was heard last',
    },
    sql: `with recursive start as (
  select r.org_id, r.id, r.facility_id from site.room r join site.facility f on f.org_id = r.org_id and f.id = r.facility_id
  where f.code = {facility} and r.code = {room}
), way (room_id, doors) as (
  select id, 0 from start
  union
  select case when d.room_a = w.room_id then d.room_b else d.room_a end, w.doors + 1
  from way w join site.adjacency d on d.org_id = (select org_id from start) and w.room_id in (d.room_a, d.room_b)
  where d.door <> 'closed' and w.doors < 12
), distance as (
  select room_id, min(doors) as doors from way group by room_id
)
select a.asset_tag as asset, a.name, r.code as room, w.doors, a.use_state as use, a.hygiene_state as hygiene, p.t as heard
from asset.category k
join asset.asset a on a.org_id = k.org_id and a.category_id = k.id
join rtls.tag_assignment t on t.org_id = a.org_id and t.asset_id = a.id and t.is_primary and t.from_t <= now()
  and (t.to_t is null or t.to_t > now())
join rtls.position p on p.org_id = t.org_id and p.tag_id = t.tag_id and p.t >= t.from_t
join distance w on w.room_id = p.room_id
join site.room r on r.org_id = p.org_id and r.id = p.room_id
where k.code = {category} and a.deleted_at is null and a.status in ('active', 'in_service', 'standby')
  and a.use_state not in ('in_use', 'moving') and a.hygiene_state not in ('in_use', 'dirty')
  and not exists (select from asset.checkout c where c.org_id = a.org_id and c.asset_id = a.id and c.in_at is null)
order by w.doors, a.asset_tag`,
    permission: 'location.read',
    role: 'nurse',
    maxRows: 50,
    reliesOn: 'indexes asset_category, tag_assignment_worn; table site.adjacency',
  },
]
