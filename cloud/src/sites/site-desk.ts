import type { ClientBase } from 'pg'
import { z } from 'zod'

import { listMaps, readMap } from './map-versions.ts'
import { changeOne, createOne, found } from './site-edit.ts'
import { type Editable, parseInput } from './site-input.ts'
import { findFacility, listFacilities, readList, readOne, type SiteLists } from './site-lists.ts'

type ListName = keyof SiteLists

const LISTS: ReadonlySet<string> = new Set<ListName>([
  'buildings',
  'floors',
  'departments',
  'rooms',
  'beds',
  'zones',
  'doors',
  'gateways',
  'receivers',
])
const EDITABLE: ReadonlySet<string> = new Set<Editable>(['rooms', 'departments', 'beds', 'zones'])

const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  /** As `next` of the page before. */
  cursor: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
})

interface Row {
  /** Code of the facility. */
  readonly facility: string
  readonly list: string
  readonly id: string
}

/** What is asked and changed of facilities one by one, as the API passes it on. */
export const siteDesk = {
  async facilities(client: ClientBase): Promise<unknown> {
    return { items: await listFacilities(client) }
  },

  facility: (client: ClientBase, code: string): Promise<unknown> => findFacility(client, code),

  /** A page of one list of a facility. */
  async list(client: ClientBase, { facility, list }: Omit<Row, 'id'>, query: unknown): Promise<unknown> {
    const { limit, cursor } = parseInput(pageQuery, query)
    const name = isList(list) ? list : found<ListName>(undefined)
    const { id: facilityId } = await findFacility(client, facility)
    const rows = await readList(client, name, { facilityId, after: cursor, limit: limit + 1 })
    const items = rows.slice(0, limit)
    return { items, next: rows.length > limit ? String(items.at(-1)?.id) : null }
  },

  async show(client: ClientBase, { facility, list, id }: Row): Promise<unknown> {
    const name = isList(list) ? list : found<ListName>(undefined)
    const { id: facilityId } = await findFacility(client, facility)
    return found(await readOne(client, name, { facilityId, id: numberOf(id) }))
  },

  async change(client: ClientBase, { facility, list, id }: Row, input: unknown): Promise<unknown> {
    const what = isEditable(list) ? list : found<Editable>(undefined)
    const { id: facilityId } = await findFacility(client, facility)
    return changeOne(client, what, { target: { facilityId, id: numberOf(id) }, input })
  },

  async create(
    client: ClientBase,
    { facility, list }: Omit<Row, 'id'>,
    input: unknown,
  ): Promise<{ readonly id: number }> {
    const what = isEditable(list) && list !== 'rooms' ? list : found<Exclude<Editable, 'rooms'>>(undefined)
    const { id: facilityId } = await findFacility(client, facility)
    return createOne(client, what, { facilityId, input })
  },

  async maps(client: ClientBase, facility: string): Promise<unknown> {
    const versions = await listMaps(client, facility)
    const items = versions.map(({ publishedAt, publishedBy, isCurrent, ...rest }) => ({
      ...rest,
      published_at: publishedAt,
      published_by: publishedBy,
      is_current: isCurrent,
    }))
    return { items }
  },

  map: (client: ClientBase, facility: string, version: string): Promise<unknown> =>
    readMap(client, { facility, version: numberOf(version) }),
}

function isList(name: string): name is ListName {
  return LISTS.has(name)
}

function isEditable(name: string): name is Editable {
  return EDITABLE.has(name)
}

function numberOf(text: string): number {
  return found(/^\d{1,9}$/.test(text) ? Number(text) : undefined)
}
