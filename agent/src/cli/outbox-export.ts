import { closeSync, openSync, writeSync } from 'node:fs'

import { BioTrakrError, type LedgerRecord, seqSpan } from '@biotrakr/shared'

import type { StoreReader } from '../store-access.ts'

export type Format = 'jsonl' | 'csv'

interface ExportOptions {
  readonly format: Format
  readonly unconfirmed: boolean
  readonly out?: string
}

const CHUNK = 65_536
const COLUMNS = [
  ...['epoch', 'seq', 'confirmed', 'kind', 'at', 'tag', 'receiver', 'room', 'reason', 'method', 'confidence'],
  ...['spanMs', 'mapVersion', 'xCm', 'yCm', 'accuracyCm', 'sensor', 'milli', 'event', 'value', 'state', 'readings'],
  ...['errors', 'count', 'from', 'to', 'bootId', 'monoMs', 'errorMs', 'code', 'bytes', 'evidence'],
]

/**
 * Writes every record that can be read; groups that cannot are named on standard error.
 * @returns how many groups could not be read
 */
export function exportStore(reader: StoreReader, { format, unconfirmed, out }: ExportOptions): number {
  const target = out === undefined ? 1 : create(out)
  let pending = format === 'csv' ? `${COLUMNS.join(',')}\n` : ''
  let unreadable = 0
  try {
    for (const { records, ...group } of reader.groups()) {
      if (!records) {
        unreadable++
        process.stderr.write(`biotrakr: ${group.epoch} ${group.first} to ${group.last} cannot be read\n`)
      }
      const rows = [...rowsOf({ ...group, records: records ?? [] })]
      const wished = unconfirmed ? rows.filter(({ confirmed }) => !confirmed) : rows
      pending += wished.map(format === 'csv' ? csvLine : jsonLine).join('')
      if (pending.length >= CHUNK) pending = written(target, pending)
    }
    written(target, pending)
  } finally {
    if (out !== undefined) closeSync(target)
  }
  return unreadable
}

interface Numbered {
  readonly epoch: string
  readonly first: number
  readonly acked: number
  readonly records: readonly LedgerRecord[]
}

function* rowsOf({ epoch, first, acked, records }: Numbered) {
  let seq = first
  for (const record of records) {
    const next = seq + seqSpan(record)
    yield { epoch, seq, confirmed: next - 1 <= acked, ...plain(record) }
    seq = next
  }
}

function create(out: string): number {
  try {
    // Positions of people: for the owner only.
    return openSync(out, 'wx', 0o600)
  } catch (cause) {
    throw new BioTrakrError(`cannot make ${out}`, {
      code: 'USAGE',
      next: 'Name a file that does not exist yet.',
      cause,
    })
  }
}

/** @returns what is left to write: nothing */
function written(target: number, text: string): string {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; ) at += writeSome(target, bytes.subarray(at))
  return ''
}

function writeSome(target: number, bytes: Uint8Array): number {
  try {
    return writeSync(target, bytes)
  } catch (error) {
    // A pipe whose reader is slower than this program.
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return 0
    throw error
  }
}

type Row = Readonly<Record<string, string | number | boolean | null | undefined>>

/** Times as text, bytes in hex: what a person or a spreadsheet can use. */
function plain(record: LedgerRecord): Row {
  const time = (ms: number): string => new Date(ms).toISOString()
  if (record.kind === 'opaque') return { ...record, bytes: Buffer.from(record.bytes).toString('hex') }
  if (record.kind === 'gap') {
    const { fromMs, toMs, ...rest } = record
    return { ...rest, from: time(fromMs), to: time(toMs) }
  }
  const { atMs, ...rest } = record
  if (rest.kind !== 'fix') return { ...rest, at: time(atMs) }
  const { evidence, ...fix } = rest
  return { ...fix, at: time(atMs), ...(evidence && { evidence: Buffer.from(evidence).toString('hex') }) }
}

function jsonLine(row: Row): string {
  return `${JSON.stringify(row)}\n`
}

/** RFC 4180. */
function csvLine(row: Row): string {
  const cells = COLUMNS.map((column) => {
    const value = row[column]
    const text = value === null || value === undefined ? '' : String(value)
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  })
  return `${cells.join(',')}\n`
}
