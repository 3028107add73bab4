import type { ClientBase } from 'pg'
import { z } from 'zod'

import { type AssetItem, ITEM_FIELDS, ITEM_JOINS } from './asset-fields.ts'
import { checkInput, invalidInput } from './asset-input.ts'
import { assetFilter, filterIds } from './asset-list.ts'
import { attributesByKey } from './attribute-catalogue.ts'
import { type Attributes, attributeKey, readAttribute } from './attribute-check.ts'

const query = z
  .strictObject({
    /** Words of tag, name, maker, model, serial number and codes: all of them must be there. The first six count. */
    q: z.string().max(200, 'must have at most 200 characters').optional(),
    /** Attributes and their values, all of which must be so. */
    attrs: z.record(attributeKey, z.string().max(1_000)).optional(),
    limit: z.coerce.number().int().min(1).max(200).default(50),
    ...assetFilter.shape,
  })
  .refine(({ q, attrs }) => q?.trim() || (attrs && Object.keys(attrs).length > 0), {
    path: ['q'],
    message: 'must hold a word, unless an attribute is named',
  })

export interface SearchResult {
  readonly items: readonly AssetItem[]
  /** The words that were probably meant, when some items were found by them; they come last. */
  readonly corrected: string | null
}

const HITS = `select ${ITEM_FIELDS}, s.corrected
  from asset.search($1, $2::jsonb, $3) s
    join asset.asset a on a.org_id = (select iam.current_org()) and a.id = s.id ${ITEM_JOINS} order by s.place`

const HITS_BY_ATTRS = `select ${ITEM_FIELDS}, null as corrected
  from asset.search_by_attrs($1::jsonb, $2::jsonb, $3) s
    join asset.asset a on a.org_id = (select iam.current_org()) and a.id = s.id ${ITEM_JOINS} order by s.place`

/**
 * Live assets by words, by attributes or by both, best first, of the facilities that the caller may see.
 * @throws BioTrakrError INPUT_INVALID
 */
export async function searchAssets(client: ClientBase, input: unknown): Promise<SearchResult> {
  const { q, attrs, limit, ...filter } = checkInput(query, input)
  const ids = await filterIds(client, filter)
  const wanted = attrs && (await readAttributes(client, attrs))
  const words = q?.trim()
  const { rows } = words
    ? await hits(client, HITS, [words, JSON.stringify({ ...ids, ...(wanted && { attrs: wanted }) }), limit])
    : await hits(client, HITS_BY_ATTRS, [JSON.stringify(wanted), JSON.stringify(ids), limit])
  return {
    items: rows.map(({ corrected: _, ...item }) => item),
    corrected: rows.find(({ corrected }) => corrected !== null)?.corrected ?? null,
  }
}

function hits(client: ClientBase, sql: string, values: readonly unknown[]) {
  return client.query<AssetItem & { readonly corrected: string | null }>(sql, [...values])
}

async function readAttributes(client: ClientBase, typed: Readonly<Record<string, string>>): Promise<Attributes> {
  const rules = new Map((await attributesByKey(client, Object.keys(typed))).map((rule) => [rule.key, rule]))
  const problems = []
  const values: Record<string, Attributes[string]> = {}
  for (const [key, text] of Object.entries(typed)) {
    const rule = rules.get(key)
    const value = rule && readAttribute(text, rule)
    if (value !== undefined) values[key] = value
    else {
      const detail = rule ? `"${text}" cannot be a value of type ${rule.type}` : 'there is no such attribute'
      problems.push({ pointer: `/attrs/${key}`, code: rule ? 'type' : 'unknown', detail })
    }
  }
  if (problems.length > 0) throw invalidInput(problems)
  return values
}

/**
 * Gathers the words that misspelt ones are corrected to, from all live assets of the tenant.
 * @returns how many there are
 */
export async function rebuildSearchWords(client: ClientBase): Promise<number> {
  const { rows } = await client.query<{ words: number }>('select asset.rebuild_search_words() as words')
  return rows[0]?.words ?? 0
}
