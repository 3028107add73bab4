import { BioTrakrError, METHOD, REASON } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { findReport } from './catalogue.ts'
import { type ParameterValue, type Report, statementOf } from './definition.ts'
import { invalid, parseInput } from './input.ts'

type Cell = string | number | boolean | Date | null

export interface ReportResult {
  readonly id: string
  readonly name: string
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly Readonly<Record<string, Cell>>[]
  /** There were more rows than `maxRows`, of which these are the first. */
  readonly truncated: boolean
  readonly maxRows: number
}

const TIME_LIMIT = '60s'
const MAX_DAYS = 400
const DAY_MS = 86_400_000

/**
 * Runs a report within the scope of the transaction, for at most 60 seconds.
 * @param wish name or id of the report
 * @param given values of its parameters; texts, as they come from an address or a command line, will do
 * @throws BioTrakrError NOT_FOUND for a report, or INPUT_INVALID for parameters or when it takes too long
 */
export async function runReport(client: ClientBase, wish: string, given: unknown): Promise<ReportResult> {
  const report = findReport(wish)
  const input = parametersOf(report, given)
  await checkNames(client, input)
  const { id, name, title, maxRows } = report
  const columns = Object.keys(report.columns)
  // For whoever looks at what the server is busy with.
  await client.query(`select set_config('statement_timeout', $1, true), set_config('application_name', $2, true)`, [
    TIME_LIMIT,
    `biotrakr-report ${id}`,
  ])
  const { text, values } = statementOf(report, input, maxRows + 1)
  const found = await client.query<Record<string, Cell>>(text, [...values]).catch((error: unknown) => {
    throw isTimeOut(error) ? tooLong(report) : error
  })
  const rows = found.rows.slice(0, maxRows).map(inWords)
  return { id, name, title, columns, rows, truncated: found.rows.length > maxRows, maxRows }
}

/** @throws BioTrakrError INPUT_INVALID with every problem at once */
export function parametersOf(report: Report, given: unknown): Readonly<Record<string, ParameterValue>> {
  const input = parseInput(report.parameters, given) as Readonly<Record<string, ParameterValue>>
  const { from, to } = input
  if (!(from instanceof Date && to instanceof Date)) return input
  if (to <= from) throw invalid([{ pointer: '/to', code: 'order', detail: 'must be after `from`' }])
  if (to.getTime() - from.getTime() <= MAX_DAYS * DAY_MS) return input
  throw invalid([{ pointer: '/from', code: 'too_long', detail: `must be at most ${MAX_DAYS} days before \`to\`` }])
}

/** A mistyped name must not look like an answer without rows. */
const NAMED: Readonly<Record<string, string>> = {
  asset: 'asset.asset where asset_tag = $1 and deleted_at is null',
  facility: 'site.facility where code = $1',
  category: 'asset.category where code = $1 and deleted_at is null',
  room: 'site.room r join site.facility f on f.id = r.facility_id where r.code = $1 and ($2::text is null or f.code = $2)',
  zone: 'site.zone z join site.facility f on f.id = z.facility_id where z.code = $1 and ($2::text is null or f.code = $2)',
  department:
    'site.department d join site.facility f on f.id = d.facility_id where d.code = $1 and ($2::text is null or f.code = $2)',
  recall: 'asset.recall where number = $1',
}

async function checkNames(client: ClientBase, input: Readonly<Record<string, ParameterValue>>): Promise<void> {
  const unknown: string[] = []
  for (const [name, source] of Object.entries(NAMED)) {
    if (input[name] === undefined) continue
    const values = source.includes('$2') ? [input[name], input['facility'] ?? null] : [input[name]]
    const { rowCount } = await client.query(`select from ${source} limit 1`, values)
    if (rowCount === 0) unknown.push(name)
  }
  if (unknown.length === 0) return
  throw invalid(unknown.map((name) => ({ pointer: `/${name}`, code: 'unknown', detail: `there is no such ${name}` })))
}

/** Names in place of the numbers of the wire. */
function inWords(row: Record<string, Cell>): Record<string, Cell> {
  const words = Object.entries(row).map(([column, value]): [string, Cell] => {
    if (column === 'method') return [column, nameOf(METHOD, value)]
    if (column === 'reason') return [column, nameOf(REASON, value)]
    return [column, value]
  })
  return Object.fromEntries(words)
}

function nameOf(codes: Readonly<Record<string, number>>, value: Cell): Cell {
  return Object.keys(codes).find((name) => codes[name] === value) ?? value
}

function isTimeOut(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '57014'
}

function tooLong({ id }: Report): BioTrakrError {
  return new BioTrakrError(`Report ${id} took longer than ${TIME_LIMIT}`, {
    code: 'INPUT_INVALID',
    next: 'Ask for less: a shorter time, one facility, one category.',
    details: { errors: [{ pointer: '', code: 'too_long', detail: `took longer than ${TIME_LIMIT}` }] },
  })
}
