import { assetDesk, withTenant } from '@biotrakr/cloud'
import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'

/** One organisation with very many assets, and what to ask for. */
export interface AssetHouse {
  readonly queries: readonly AssetQuery[]
  readonly misspelt: readonly Misspelt[]
  readonly words: { readonly count: number; readonly seconds: number }
  /** As the API does it: bt_api, a transaction of its own, a scope, row security in force. */
  search(input: unknown): ReturnType<typeof assetDesk.search>
  /** What the database itself says that its part took, in milliseconds. */
  executionMs(input: AssetQuery['input']): Promise<number>
}

interface AssetQuery {
  readonly what: string
  readonly input: { readonly q?: string; readonly attrs?: Readonly<Record<string, string>>; readonly facility?: string }
}

interface Misspelt {
  readonly typed: string
  /** In what was meant. */
  readonly word: string
}

const THINGS = (
  'infusion pump|syringe pump|feeding pump|suction pump|patient monitor|ventilator|defibrillator|ultrasound scanner|' +
  'electrocardiograph|wheelchair|hospital bed|stretcher|walking frame|oxygen concentrator|pulse oximeter|thermometer|' +
  'sphygmomanometer|dialysis machine|anaesthesia workstation|electrosurgical generator|operating table|surgical light|' +
  'incubator|phototherapy lamp|radiant warmer|centrifuge|microscope|refrigerator|sterilizer|endoscope|bronchoscope|' +
  'laryngoscope|otoscope|nebulizer|humidifier|warming blanket|patient lift|commode chair|transport trolley|crash cart|' +
  'computer on wheels|barcode scanner|label printer|blood warmer|blood gas analyser|glucose meter|bladder scanner|' +
  'fetal monitor|mattress compressor|video colposcope'
).split('|')
const MAKERS =
  'Dräger|Braun|Hillrom|Philips|Fresenius|Getinge|Mindray|Baxter|Stryker|Olympus|Karl Storz|Zoll|Nihon Kohden|Medtronic|Arjo'.split(
    '|',
  )
const SYLLABLES = 'ba ce di fo gu ha je ki lo mu na pe qui ra se ti vo wa xe zy bra cle dro flu gri pla'.split(' ')

/** A made-up product name, the same for the same number: three or four syllables. */
function productName(n: number): string {
  const base = SYLLABLES.length
  const digits = [n, n / base, n / base ** 2].map((part) => SYLLABLES[Math.floor(part) % base])
  return `${digits.join('')}${n % 3 === 0 ? 'n' : 'x'}`
}

const PRODUCTS = 11_000

/**
 * Makes the organisation in a real PostgreSQL that is thrown away at the end.
 * @param count of assets
 */
export async function withAssetHouse<T>(count: number, work: (house: AssetHouse) => Promise<T>): Promise<T> {
  const database = await createTestDatabase()
  try {
    await fill(database, count)
    return await withTenant(database.options('bt_api'), { org: 'bench', actor: 'operator:bench' }, async (tenant) => {
      const startMs = performance.now()
      const words = await tenant.write((client) => assetDesk.rebuildSearchWords(client))
      const seconds = (performance.now() - startMs) / 1_000
      await database.ownerClient.query('vacuum (analyze) asset.asset, asset.search_word')
      return work({
        queries: QUERIES,
        misspelt: misspellings(),
        words: { count: words, seconds },
        search: (input) => tenant.read((client) => assetDesk.search(client, input)),
        executionMs: ({ q, attrs, facility }) =>
          tenant.read(async (client) => {
            const numbers = Object.entries(attrs ?? {}).map(([key, value]) => [key, Number(value)])
            const filter = JSON.stringify(facility === undefined ? {} : { facility: 1 })
            const [call, wanted] = q === undefined ? ['search_by_attrs', numbers] : ['search', q]
            const { rows } = await client.query(
              `explain (analyze, format json) select * from asset.${call}($1, $2::jsonb, 50)`,
              [q === undefined ? JSON.stringify(Object.fromEntries(numbers)) : wanted, filter],
            )
            return rows[0]['QUERY PLAN'][0]['Execution Time']
          }),
      })
    })
  } finally {
    await database.stop()
  }
}

/** Straight into the table, without triggers: what is measured is reading. */
async function fill({ ownerClient: owner }: TestDatabase, count: number): Promise<void> {
  await owner.query(`
    set session_replication_role = replica;
    insert into iam.org (slug, name) values ('bench', 'Bench');
    insert into site.facility (org_id, code, name, time_zone) values (1, 'north', 'North', 'UTC'), (1, 'south', 'South', 'UTC');
    insert into asset.category (org_id, id, code, name) select 1, gen_random_uuid(), 'c' || n, 'C' from generate_series(0, 39) n;
    insert into asset.attribute_def (org_id, id, key, name, type)
      values (1, gen_random_uuid(), 'max_flow', 'Flow', 'integer'), (1, gen_random_uuid(), 'bay', 'Bay', 'integer')`)
  const products = Array.from({ length: PRODUCTS }, (_, n) => productName(n))
  await owner.query(
    `insert into asset.asset (org_id, id, facility_id, category_id, asset_tag, name, manufacturer, model_name, model_no,
       serial_no, barcode, attrs)
     select 1, gen_random_uuid(), 1 + n % 2, (array(select id from asset.category))[1 + n % 40],
       'BIO-' || lpad(n::text, 6, '0'), initcap(($1::text[])[1 + n % array_length($1, 1)]) || ' ' || (1 + n % 97),
       ($2::text[])[1 + n / array_length($1, 1) % array_length($2, 1)], initcap(($3::text[])[1 + n % array_length($3, 1)]), 'M' || (n % 400),
       'SN' || lpad((n * 7919 % 1000003)::text, 7, '0'), (4000000000000 + n::bigint * 104729)::text,
       jsonb_build_object('max_flow', n % 1200, 'bay', n % 25)
     from generate_series(1, $4) n`,
    [THINGS, MAKERS, products, count],
  )
  await owner.query('set session_replication_role = origin')
  await owner.query('analyze')
}

const QUERIES: readonly AssetQuery[] = [
  { what: 'asset number', input: { q: 'BIO-012345' } },
  { what: 'asset number, in part', input: { q: '12345' } },
  { what: 'beginning of numbers', input: { q: 'bio-0300' } },
  { what: 'serial number', input: { q: `SN${String((777 * 7919) % 1_000_003).padStart(7, '0')}` } },
  { what: 'barcode', input: { q: String(4_000_000_000_000 + 4_242 * 104_729) } },
  { what: 'nothing: a number that nobody has', input: { q: 'BIO-999999' } },
  { what: 'rare word', input: { q: productName(4_321) } },
  { what: 'one word', input: { q: 'dialysis' } },
  { what: 'common word', input: { q: 'pump' } },
  { what: 'very common word: of every asset', input: { q: 'bio' } },
  { what: 'common word in one facility', input: { q: 'monitor', facility: 'north' } },
  { what: 'two words', input: { q: 'infusion braun' } },
  { what: 'two words, another order, an accent left out', input: { q: 'drager ventilator' } },
  { what: 'three words', input: { q: 'pump philips 17' } },
  { what: 'misspelt word', input: { q: 'defibrilator' } },
  { what: 'misspelt word, letters swapped', input: { q: 'wheelchiar' } },
  { what: 'two words, one misspelt', input: { q: 'ultrsound mindray' } },
  { what: 'nothing: a word like no other', input: { q: 'hjkqwpt' } },
  { what: 'rare attribute', input: { attrs: { max_flow: '777' } } },
  { what: 'common attribute', input: { attrs: { bay: '7' } } },
]

/** A slip of each kind in words of five letters and more, at a place that follows from the word. */
function misspellings(): Misspelt[] {
  const words = [...new Set(THINGS.flatMap((thing) => thing.split(' ')))].filter((word) => word.length >= 5)
  return words.flatMap((word, i) => {
    const at = 1 + ((i * 7) % (word.length - 2))
    const [head, tail, letter] = [word.slice(0, at), word.slice(at + 1), word.charAt(at)]
    const next = tail.charAt(0)
    const typed = [
      `${head}${tail}`,
      `${head}${letter}${letter}${tail}`,
      `${head}q${tail}`,
      `${head}${next}${letter}${tail.slice(1)}`,
    ]
    return typed.filter((slip) => slip !== word).map((slip) => ({ typed: slip, word }))
  })
}
