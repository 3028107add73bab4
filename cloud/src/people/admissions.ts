import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { type CsvRow, parseCsv } from './csv.ts'
import { admit, currentEncounter, discharge, transfer } from './encounters.ts'
import type { Vault } from './keyring.ts'
import { createPatient, findPatient } from './patients.ts'
import { needPurpose } from './scope.ts'

const EVENTS = ['admit', 'transfer', 'discharge'] as const
type Event = (typeof EVENTS)[number]
const COLUMNS = ['event', 'time', 'record_number', 'label', 'name', 'facility', 'room', 'bed'] as const
type Column = (typeof COLUMNS)[number]
type Cells = Readonly<Partial<Record<Column, string>>>

const MAX_ROWS = 10_000
const MAX_CHARACTERS = 5_000_000
const MAX_ERRORS = 1_000

export interface AdmissionsReport {
  readonly rows: number
  readonly admit: number
  readonly transfer: number
  readonly discharge: number
  /** Patients who were not known before. */
  readonly created: number
}

/** One thing that is wrong; never with the value, which may name a person. */
interface RowError {
  readonly row: number
  readonly column: string
  readonly code: string
  readonly detail: string
}

interface ImportOptions {
  /** Checks everything, against the database too, and changes nothing. */
  readonly dryRun: boolean
}

/**
 * Reads a file of admissions: a header with `event`, `time` and `record_number` or `label`, and as needed `name`,
 * `facility`, `room`, `bed`; then one row for each event (admit, transfer, discharge), in the order in which they
 * happened. All rows are taken or none, and every row's error is said.
 * @throws BioTrakrError INPUT_INVALID with `details.errors`, NOT_ALLOWED without a purpose
 */
export async function importAdmissions(
  client: ClientBase,
  vault: Vault,
  { text, dryRun }: ImportOptions & { readonly text: string },
): Promise<AdmissionsReport> {
  await needPurpose(client)
  const rows = readRows(text)
  const report = { rows: rows.length, admit: 0, transfer: 0, discharge: 0, created: 0 }
  const errors: RowError[] = []
  await client.query('savepoint admissions')
  for (const row of rows) {
    const outcome = await takeRow(client, vault, row)
    if ('error' in outcome) errors.push(outcome.error)
    else {
      report[outcome.event] += 1
      report.created += outcome.created ? 1 : 0
    }
    if (errors.length >= MAX_ERRORS) break
  }
  if (errors.length > 0) throw badFile(errors)
  if (dryRun) await client.query('rollback to savepoint admissions')
  return report
}

interface Row {
  readonly line: number
  readonly cells: Cells
}

function readRows(text: string): Row[] {
  if (text.length > MAX_CHARACTERS) throw badFile([fault(1, '', 'TOO_LONG', 'the file is larger than 5 MB')])
  if (text.includes('\uFFFD')) throw badFile([fault(1, '', 'FORMAT', 'the file is not UTF-8')])
  const csv = parseCsv(text)
  if (!csv.ok) throw badFile([fault(csv.line, '', 'FORMAT', csv.trouble)])
  const [header, ...rows] = csv.rows
  const columns = readHeader(header)
  if (rows.length > MAX_ROWS) throw badFile([fault(1, '', 'TOO_LONG', `there are more than ${MAX_ROWS} rows`)])
  const uneven = rows.filter(({ cells }) => cells.length !== columns.length)
  if (uneven.length > 0) {
    throw badFile(
      uneven.map(({ line }) => fault(line, '', 'FORMAT', `must have ${columns.length} values, as the header`)),
    )
  }
  return rows.map(({ line, cells }) => ({ line, cells: byColumn(columns, cells) }))
}

function readHeader(header: CsvRow | undefined): readonly Column[] {
  if (!header) throw badFile([fault(1, '', 'MISSING', 'the file is empty')])
  const names = header.cells.map((cell) => cell.toLowerCase())
  const errors = [
    ...names
      .filter((name) => !isColumn(name))
      .map((name) => fault(1, name, 'UNKNOWN', `is no column; there are ${COLUMNS.join(', ')}`)),
    ...names
      .filter((name, at) => names.indexOf(name) !== at)
      .map((name) => fault(1, name, 'DUPLICATE', 'is there twice')),
    ...['event', 'time'].filter((name) => !names.includes(name)).map((name) => fault(1, name, 'MISSING', 'is needed')),
  ]
  if (!names.includes('record_number') && !names.includes('label')) {
    errors.push(fault(1, 'record_number', 'MISSING', 'or `label` is needed'))
  }
  if (errors.length > 0) throw badFile(errors)
  return names.filter(isColumn)
}

function isColumn(name: string): name is Column {
  return COLUMNS.some((column) => column === name)
}

function byColumn(columns: readonly Column[], cells: readonly string[]): Cells {
  return Object.fromEntries(columns.map((column, at) => [column, cells[at]]).filter(([, cell]) => cell !== ''))
}

type Outcome = { readonly event: Event; readonly created: boolean } | { readonly error: RowError }

/** A row that fails leaves nothing behind, so that the rows after it are still checked against what would be. */
async function takeRow(client: ClientBase, vault: Vault, { line, cells }: Row): Promise<Outcome> {
  const event = EVENTS.find((name) => name === cells.event?.toLowerCase())
  if (!event) return { error: fault(line, 'event', 'FORMAT', `must be ${EVENTS.join(', ')}`) }
  const missing = (['time', ...(event === 'admit' ? (['facility'] as const) : [])] as const).find(
    (name) => !cells[name],
  )
  if (missing) return { error: fault(line, missing, 'MISSING', 'is needed') }
  await client.query('savepoint row')
  try {
    const created = await perform(client, vault, { event, cells })
    await client.query('release savepoint row')
    return { event, created }
  } catch (error) {
    if (!(error instanceof BioTrakrError)) throw error
    await client.query('rollback to savepoint row')
    return { error: fault(line, '', error.code, error.message) }
  }
}

interface Task {
  readonly event: Event
  readonly cells: Cells
}

async function perform(client: ClientBase, vault: Vault, { event, cells }: Task): Promise<boolean> {
  const { time: at, facility = '', room, bed } = cells
  const known = await patientOf(client, vault, cells)
  if (event === 'admit') {
    const created = known === undefined
    const patientId = known ?? (await register(client, vault, cells))
    await admit(client, { patientId, facility, room, bed, at })
    return created
  }
  const encounter = known === undefined ? undefined : await currentEncounter(client, known)
  if (encounter === undefined) throw refusal('NOT_FOUND', 'that patient is not in the house')
  if (event === 'discharge') await discharge(client, { id: encounter, at })
  else await transfer(client, { id: encounter, room: room ?? '', bed: bed ?? '', at })
  return false
}

async function patientOf(client: ClientBase, vault: Vault, cells: Cells): Promise<string | undefined> {
  if (cells.record_number) return findPatient(client, vault, { number: cells.record_number })
  if (cells.label) return findPatient(client, vault, { label: cells.label })
  throw refusal('INPUT_INVALID', 'neither record_number nor label is given')
}

async function register(
  client: ClientBase,
  vault: Vault,
  { record_number: number, label, name }: Cells,
): Promise<string> {
  const { id } = await createPatient(client, vault, { number: number ?? null, name: name ?? null, label })
  return id
}

function refusal(code: 'NOT_FOUND' | 'INPUT_INVALID', message: string): BioTrakrError {
  return new BioTrakrError(message, { code, next: 'Correct the row.' })
}

function fault(row: number, column: string, code: string, detail: string): RowError {
  return { row, column, code, detail }
}

function badFile(errors: readonly RowError[]): BioTrakrError {
  const lines = errors.map(
    ({ row, column, code, detail }) => `  line ${row}${column && `, ${column}`}: ${detail} [${code}]`,
  )
  const more = errors.length >= MAX_ERRORS ? '\n  and perhaps more' : ''
  return new BioTrakrError(`The file has ${errors.length} errors:\n${lines.join('\n')}${more}`, {
    code: 'INPUT_INVALID',
    next: 'Correct them and import the file again; nothing was taken.',
    details: { errors },
  })
}
