import { BioTrakrError } from '@biotrakr/shared'
import { type Command, InvalidArgumentError } from 'commander'

import { reportDesk } from '../administration.ts'
import { commandOf, print } from './options.ts'
import { inTenant } from './tenant-command.ts'

/** `biotrakr-cloud report ...`: the questions that are asked again and again. */
export function addReports(cloud: Command): void {
  const group = cloud.command('report').description('named questions about assets, places and care (as bt_api)')
  group
    .command('list')
    .description('which there are, and what each takes')
    .option('--json', 'one JSON document instead of plain lines', false)
    .action(list)
  commandOf(group, 'run <name>', 'run one, by its name or id')
    .option('--param <name=value>', 'a parameter of the report; may be given again', parameter, {})
    .option('--csv', 'RFC 4180, formulas of spreadsheets disarmed', false)
    .action(run)
}

type Given = Readonly<Record<string, string>>

function parameter(text: string, before: Given): Given {
  const [name = '', ...rest] = text.split('=')
  if (name === '' || rest.length === 0) throw new InvalidArgumentError('must be name=value')
  return { ...before, [name]: rest.join('=') }
}

function list({ json }: { readonly json: boolean }): void {
  const reports = reportDesk.list()
  const lines = reports.map(({ id, name, question, parameters }) => {
    const taken = parameters.map(({ name: of, required }) => (required ? of : `[${of}]`)).join(' ')
    return `${id}  ${name.padEnd(20)}  ${question}${taken === '' ? '' : `  (${taken})`}`
  })
  print(json, { items: reports }, lines)
}

interface RunOptions {
  readonly config: string
  readonly json: boolean
  readonly csv: boolean
  readonly param: Given
}

async function run(name: string, { config, json, csv, param }: RunOptions): Promise<void> {
  if (csv && json) throw new BioTrakrError('--csv or --json, not both', { code: 'USAGE', next: 'Leave one out.' })
  const report = await inTenant(config, ({ read }) => read((client) => reportDesk.run(client, name, param)))
  if (csv) process.stdout.write(reportDesk.csvOf(report))
  else if (json) print(true, report, [])
  else write(report)
  if (report.truncated && !json) {
    process.stderr.write(`There are more: these are the first ${report.maxRows}. Ask for less at a time.\n`)
  }
}

function write({ columns, rows }: Awaited<ReturnType<typeof reportDesk.run>>): void {
  const cells = rows.map((row) => columns.map((column) => printable(reportDesk.textOf(row[column]))))
  if (!process.stdout.isTTY) {
    process.stdout.write([[...columns], ...cells].map((line) => `${line.join('\t')}\n`).join(''))
    return
  }
  const lines = aligned([[...columns], ...cells])
  process.stdout.write(`${lines.join('\n')}\n${rows.length} row${rows.length === 1 ? '' : 's'}\n`)
}

/** Columns one below the other. */
function aligned(lines: readonly (readonly string[])[]): string[] {
  const widths = (lines[0] ?? []).map((_head, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)))
  return lines.map((line) =>
    line
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** What was typed in somewhere must not move the cursor, nor break a line. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ')
}
