import { randomUUID } from 'node:crypto'

import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, deletion, listQuery, type Page, pageOf, readCursor, restoration } from './asset-input.ts'
import { deleteRow, insertRow, type RowKind, refuseWhileUsed, restoreRow, unknownRow, updateRow } from './asset-rows.ts'

/** What every row of the catalogue shows besides its own fields. */
export interface CatalogueItem {
  readonly id: string
  readonly row_version: number
  readonly created_at: Date
  readonly updated_at: Date
  readonly deleted_at: Date | null
  readonly delete_reason: string | null
}

/**
 * Vendors, categories, models or attributes of one tenant: the client's transaction says whose. Whatever a caller sends
 * is checked here.
 */
export interface Catalogue<Item extends CatalogueItem> {
  /** By code, then id. @throws BioTrakrError INPUT_INVALID */
  list(client: ClientBase, query: unknown): Promise<Page<Item>>
  /** Deleted ones too. @throws BioTrakrError NOT_FOUND */
  get(client: ClientBase, id: string): Promise<Item>
  /** @throws BioTrakrError INPUT_INVALID, CONFLICT */
  create(client: ClientBase, input: unknown): Promise<Item>
  /** @throws BioTrakrError INPUT_INVALID, CONFLICT, NOT_FOUND, ROW_VERSION */
  change(client: ClientBase, id: string, input: unknown): Promise<Item>
  /** With `row_version` and `reason`. @throws BioTrakrError as change, CONFLICT also while something names it */
  remove(client: ClientBase, id: string, input: unknown): Promise<void>
  /** With `row_version`. @throws BioTrakrError as change */
  restore(client: ClientBase, id: string, input: unknown): Promise<Item>
}

interface CatalogueRules<Create, Change extends { readonly row_version: number }> {
  readonly rows: RowKind
  /** Selects the item's own fields; the table is called `t`. */
  readonly fields: string
  readonly joins?: string
  /** Column by which a list is sorted. */
  readonly key: string
  readonly create: z.ZodType<Create>
  readonly change: z.ZodType<Change>
  /** Turns what was sent into columns. @throws BioTrakrError INPUT_INVALID for what is not there */
  columns(client: ClientBase, input: Create | Change, id: string): Promise<Readonly<Record<string, unknown>>>
  readonly uses: Parameters<typeof refuseWhileUsed>[2]
}

const SHARED = 't.row_version, t.created_at, t.updated_at, t.deleted_at, t.delete_reason'
const isId = (id: string) => z.uuid().safeParse(id).success

export function createCatalogue<Item extends CatalogueItem, Create, Change extends { readonly row_version: number }>(
  rules: CatalogueRules<Create, Change>,
): Catalogue<Item> {
  const { rows: kind, fields, joins = '', key, uses } = rules
  const select = `select t.id, ${fields}, ${SHARED} from ${kind.table} t ${joins}
    where t.org_id = (select iam.current_org())`

  const find = async (client: ClientBase, id: string): Promise<Item | undefined> =>
    isId(id) ? (await client.query<Item>(`${select} and t.id = $1`, [id])).rows[0] : undefined
  const get = async (client: ClientBase, id: string): Promise<Item> => {
    const item = await find(client, id)
    if (item === undefined) throw unknownRow(kind)
    return item
  }
  const versionOf = (client: ClientBase, id: string, input: { readonly row_version: number }) => ({
    id,
    rowVersion: input.row_version,
    yours: input,
    current: () => find(client, id),
  })

  return {
    get,
    list: async (client, query) => {
      const { limit, cursor, deleted } = checkInput(listQuery, query)
      const [afterKey = null, afterId = null] = readCursor(cursor) ?? []
      const { rows } = await client.query<Item & { readonly sort_key: string }>(
        `${select.replace(' from ', `, t.${key} as sort_key from `)} and (t.deleted_at is not null) = $1
           and ($2::text is null or (t.${key}, t.id) > ($2, $3::uuid)) order by t.${key}, t.id limit $4`,
        [deleted, afterKey, afterId, limit + 1],
      )
      const { items, next } = pageOf(rows, limit, ({ sort_key, id }) => [sort_key, id])
      return { items: items.map(({ sort_key: _, ...item }) => item as unknown as Item), next }
    },
    create: async (client, input) => {
      const wish = checkInput(rules.create, input)
      const id = randomUUID()
      await insertRow(client, kind, { id, ...(await rules.columns(client, wish, id)) })
      return get(client, id)
    },
    change: async (client, id, input) => {
      const wish = checkInput(rules.change, input)
      await get(client, id)
      await updateRow(client, kind, {
        ...versionOf(client, id, wish),
        columns: await rules.columns(client, wish, id),
      })
      return get(client, id)
    },
    remove: async (client, id, input) => {
      const wish = checkInput(deletion, input)
      await get(client, id)
      await deleteRow(client, kind, { ...versionOf(client, id, wish), reason: wish.reason })
      await refuseWhileUsed(client, id, uses)
    },
    restore: async (client, id, input) => {
      const wish = checkInput(restoration, input)
      await get(client, id)
      await restoreRow(client, kind, versionOf(client, id, wish))
      return get(client, id)
    },
  }
}
