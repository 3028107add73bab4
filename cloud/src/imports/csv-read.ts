import { createHash } from 'node:crypto'
import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs'
import { basename } from 'node:path'

import { CsvError, parse } from 'csv-parse'

import { wrongFile } from './findings.ts'

export interface CsvLimits {
  readonly maxRows: number
  readonly maxBytes: number
}

export interface CsvLine {
  /** As a table program numbers them: the header is row 1. */
  readonly row: number
  readonly cells: readonly string[]
}

interface CsvFile {
  readonly name: string
  readonly bytes: number
  readonly header: readonly string[]
  readonly separator: ',' | ';'
}

const HEAD_BYTES = 65_536
const MAX_RECORD = 1_048_576
const SAVE_AS = 'Save it as "CSV UTF-8" and import that file.'

/**
 * Looks at the beginning of a file: its encoding, its separator and its header.
 * @throws BioTrakrError INPUT_INVALID that says in words what is wrong with the file
 */
export function openCsv(path: string, { maxBytes }: CsvLimits): CsvFile {
  const name = basename(path)
  const { head, bytes } = readHead(path)
  if (bytes === 0) throw wrongFile(name, 'is empty', 'Write a header and rows into it.')
  if (bytes > maxBytes) {
    const limit = `${Math.round(maxBytes / 1_048_576)} MiB`
    throw wrongFile(name, `is larger than ${limit}`, 'Split it into several files.')
  }
  refuseForeign(name, head)
  const text = new TextDecoder('utf-8').decode(head)
  const line = headerLine(text)
  if (line === undefined) throw wrongFile(name, 'has no header line', 'Write the names of the columns into row 1.')
  const separator = line.split(';').length > line.split(',').length ? ';' : ','
  const header = splitHeader(name, line, separator)
  return { name, bytes, header, separator }
}

function readHead(path: string): { head: Buffer; bytes: number } {
  try {
    const stat = statSync(path)
    if (!stat.isFile()) throw wrongFile(basename(path), 'is not a file', 'Name a CSV file.')
    const file = openSync(path, 'r')
    try {
      const head = Buffer.alloc(HEAD_BYTES)
      return { head: head.subarray(0, readSync(file, head, 0, HEAD_BYTES, 0)), bytes: stat.size }
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error
    throw wrongFile(basename(path), `cannot be read (${error.message})`, 'Check the name and the rights of the file.')
  }
}

/** What people import by mistake: other encodings, tables of an office program, archives. */
function refuseForeign(name: string, head: Buffer): void {
  const begins = head.subarray(0, 4).toString('latin1')
  if (begins.startsWith('PK'))
    throw wrongFile(name, 'is an archive or a workbook (.xlsx, .ods, .zip), not CSV', SAVE_AS)
  if (begins.startsWith('\xff\xfe') || begins.startsWith('\xfe\xff')) {
    throw wrongFile(name, 'is UTF-16, not UTF-8', SAVE_AS)
  }
  if (head.includes(0)) throw wrongFile(name, 'holds zero bytes, so it is not a text', SAVE_AS)
}

function headerLine(text: string): string | undefined {
  const line = /^[^\r\n]*/.exec(text.replace(/^\uFEFF/, ''))?.[0] ?? ''
  return line.trim() === '' ? undefined : line
}

function splitHeader(name: string, line: string, separator: string): string[] {
  const cells = [...line.matchAll(new RegExp(`(?:^|${separator})(?:"((?:[^"]|"")*)"|([^"${separator}]*))`, 'g'))]
  const names = cells.map(([, quoted, plain]) => (quoted?.replaceAll('""', '"') ?? plain ?? '').trim())
  if (names.length !== line.split(separator).length && !line.includes('"')) {
    throw wrongFile(name, 'has a header that cannot be read', 'Write the names of the columns into row 1.')
  }
  return names
}

/** What was seen of the whole file when its last row was given. */
export interface CsvTally {
  readonly sha256: Buffer
}

/**
 * The rows of a file one by one, never all in memory: RFC 4180 with either separator, cells trimmed and in NFC.
 * @param onBytes how much of the file was read
 * @throws BioTrakrError INPUT_INVALID for bytes that are not UTF-8, quotes out of place, wrong numbers of cells, too many
 * rows
 */
export async function* readCsv(
  path: string,
  { name, header, separator }: CsvFile,
  options: CsvLimits & { readonly onBytes?: (bytes: number) => void },
): AsyncGenerator<CsvLine, CsvTally> {
  const hash = createHash('sha256')
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const source = createReadStream(path, { highWaterMark: 262_144 })
  const parser = parse({ delimiter: separator, bom: true, relax_column_count: true, max_record_size: MAX_RECORD })
  let bytes = 0
  source.on('data', (chunk) => {
    const part = chunk as Buffer
    bytes += part.length
    hash.update(part)
    try {
      decoder.decode(part, { stream: true })
    } catch {
      parser.destroy(wrongFile(name, 'is not UTF-8: it holds bytes that mean nothing there', SAVE_AS))
    }
    options.onBytes?.(bytes)
  })
  source.on('error', (error) => parser.destroy(error))
  source.pipe(parser)
  let row = 0
  try {
    for await (const cells of parser as AsyncIterable<string[]>) {
      row += 1
      if (row === 1 || cells.every((cell) => cell === '')) continue
      if (row > options.maxRows + 1) {
        throw wrongFile(name, `has more than ${options.maxRows} rows`, 'Split it into several files.')
      }
      if (cells.length !== header.length) {
        const message = `row ${row} has ${cells.length} cells, the header ${header.length}`
        throw wrongFile(name, message, 'Check the separators and quotes of that row.')
      }
      yield { row, cells }
    }
  } catch (error) {
    throw inWords(name, error)
  } finally {
    source.destroy()
  }
  return { sha256: hash.digest() }
}

function inWords(name: string, error: unknown): unknown {
  if (!(error instanceof CsvError)) return error
  const line = 'lines' in error ? ` in line ${String(error['lines'])}` : ''
  const words: Readonly<Record<string, string>> = {
    CSV_QUOTE_NOT_CLOSED: `a quote is never closed${line}`,
    INVALID_OPENING_QUOTE: `a quote stands in the middle of a value${line}`,
    CSV_INVALID_CLOSING_QUOTE: `something stands after a closing quote${line}`,
    CSV_MAX_RECORD_SIZE: `a row is longer than 1 MiB${line}; a quote may not be closed`,
  }
  return wrongFile(name, words[error.code] ?? `is not CSV${line}`, 'Mend the quotes of that line (RFC 4180).')
}

const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/

/** What stands in a cell: trimmed, in one Unicode form, without the mark that keeps a table program from calculating. */
export function cellText(cell: string): string {
  const text = PLAIN.test(cell) ? cell : cell.normalize('NFC').trim()
  return /^'+[=+\-@]/.test(text) ? text.slice(1) : text
}

/** A cell as `cellText` reads it back. A table program would calculate what begins with one of four signs. */
export function cellOf(value: string): string {
  const safe = /^'*[=+\-@]/.test(value) && !/^-\d+(?:\.\d+)?$/.test(value) ? `'${value}` : value
  return /[",;\r\n]/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe
}
