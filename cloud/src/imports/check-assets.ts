import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { textIn } from './column.ts'
import type { Finding, Findings } from './findings.ts'
import type { Planned } from './registry-kind.ts'

type AttributeValue = string | number | boolean | null
type Attributes = Readonly<Record<string, AttributeValue>>

interface AttributeRule {
  readonly key: string
  readonly type: 'text' | 'integer' | 'number' | 'boolean' | 'date' | 'choice'
  readonly required: boolean
  readonly choices: readonly string[]
}

/** What is known of further fields of assets. */
export interface AttributeRules {
  /** Of a category and all above it. */
  find(client: ClientBase, categoryId: string): Promise<readonly AttributeRule[]>
  /** What a cell says; undefined when it cannot be that. */
  read(typed: string, rule: AttributeRule): AttributeValue | undefined
  /** @throws BioTrakrError INPUT_INVALID with `details.errors` */
  check(wish: {
    readonly before: Attributes
    readonly patch: Attributes
    readonly definitions: readonly AttributeRule[]
    readonly checkAll: boolean
  }): Attributes
}

interface CheckOptions {
  readonly findings: Findings
  readonly rules: AttributeRules
}

/** Serial numbers, each once for its maker, and further fields as the categories define them. */
export async function checkAssets(
  client: ClientBase,
  planned: readonly Planned[],
  options: CheckOptions,
): Promise<void> {
  await checkSerials(client, planned, options.findings)
  const before = await readAttributes(client, planned)
  const definitions = new Map<string, readonly AttributeRule[]>()
  for (const each of planned) {
    const category = String(each.columns['category_id'])
    const known = definitions.get(category) ?? (await options.rules.find(client, category))
    definitions.set(category, known)
    takeAttributes(each, { ...options, definitions: known, before: before.get(String(each.before?.id)) ?? {} })
  }
}

async function checkSerials(client: ClientBase, planned: readonly Planned[], findings: Findings): Promise<void> {
  const { rows } = await client.query<{ key: string; holder: string }>(
    `select lower(manufacturer) || e'\\n' || serial_no as key, asset_tag as holder from asset.asset
     where deleted_at is null and manufacturer is not null and serial_no is not null`,
  )
  const holders = new Map(rows.map(({ key, holder }) => [key, holder]))
  for (const { row, key } of planned) {
    const [maker, serial] = [textIn(row, 'manufacturer'), textIn(row, 'serial_no')]
    if (maker === undefined || serial === undefined) continue
    const name = `${maker.toLowerCase()}\n${serial}`
    const holder = holders.get(name)
    if (holder !== undefined && holder !== key) {
      const message = `is that of asset ${holder} of the same maker already`
      findings.add({ row: row.row, column: 'serial_no', code: 'CONFLICT', message, value: serial })
    } else holders.set(name, key)
  }
}

async function readAttributes(
  client: ClientBase,
  planned: readonly Planned[],
): Promise<ReadonlyMap<string, Attributes>> {
  const ids = planned.flatMap(({ before }) => (before ? [before.id] : []))
  if (ids.length === 0) return new Map()
  const { rows } = await client.query<{ id: string; attrs: Attributes }>(
    'select id, attrs from asset.asset where id = any ($1::uuid[])',
    [ids],
  )
  return new Map(rows.map(({ id, attrs }) => [id, attrs]))
}

interface TakeIn extends CheckOptions {
  readonly definitions: readonly AttributeRule[]
  readonly before: Attributes
}

function takeAttributes(planned: Planned, wish: TakeIn): void {
  const { row, columns, before: standing } = planned
  const { findings, rules, definitions, before } = wish
  const patch = patchOf(planned, wish)
  try {
    columns['attrs'] = rules.check({ before, patch, definitions, checkAll: standing === undefined })
  } catch (error) {
    if (!(error instanceof BioTrakrError) || error.code !== 'INPUT_INVALID') throw error
    for (const { pointer, detail } of problemsOf(error)) {
      const key = pointer.replace('/attrs/', '')
      if (row.attrs[key] !== undefined && findings.rows.has(row.row)) continue
      findings.add({
        row: row.row,
        column: `attr.${key}`,
        code: 'FORMAT',
        message: detail,
        value: row.attrs[key] ?? '',
      })
    }
  }
}

/** An attribute is taken away by an empty cell; one that is not there is not missed. */
function patchOf({ row }: Planned, { findings, rules, definitions, before }: TakeIn): Attributes {
  const patch: Record<string, AttributeValue> = {}
  for (const [key, typed] of Object.entries(row.attrs)) {
    const rule = definitions.find((each) => each.key === key)
    const value = rule && typed !== '' ? rules.read(typed, rule) : undefined
    if (value !== undefined) patch[key] = value
    else if (typed !== '') findings.add({ row: row.row, column: `attr.${key}`, value: typed, ...refusal(rule) })
    else if (key in before) patch[key] = null
  }
  return patch
}

function refusal(rule: AttributeRule | undefined): Pick<Finding, 'code' | 'message'> {
  if (rule === undefined) return { code: 'UNKNOWN_REF', message: 'is no attribute of this category' }
  const choices = rule.type === 'choice' ? `: ${rule.choices.join(', ')}` : ''
  return { code: 'FORMAT', message: `must be a value of the type ${rule.type}${choices}` }
}

function problemsOf(error: BioTrakrError): readonly { readonly pointer: string; readonly detail: string }[] {
  const errors: unknown = error.details?.['errors']
  return Array.isArray(errors) ? (errors as { pointer: string; detail: string }[]) : []
}
