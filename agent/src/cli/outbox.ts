import { BioTrakrError } from '@biotrakr/shared'
import { type Command, InvalidArgumentError } from 'commander'

import { readConfig } from '../config.ts'
import { openStoreAt, openStoreOf, type StoreReader } from '../store-access.ts'
import { exportStore, type Format } from './outbox-export.ts'
import { statusLines, storeStatus } from './outbox-status.ts'

interface StoreOptions {
  readonly config?: string
  readonly store?: string
  readonly key?: string
}

type ExitWith = (code: number) => void

const EXIT = `
Exit codes:
  0  done; verify: everything is whole
  1  failed, or verify found damage
  2  the command line or the configuration is wrong`

/** `biotrakr outbox`: looks into a store without changing it, also beside the agent that has it open. */
export function addOutboxCommand(biotrakr: Command, exitWith: ExitWith): void {
  const outbox = biotrakr
    .command('outbox')
    .description('look into the store of records that the centre has not confirmed yet; nothing is changed')
    .addHelpText('after', EXIT)
  const command = (name: string, description: string) =>
    outbox
      .command(name)
      .description(description)
      .option('-c, --config <file>', 'configuration of the agent; names the store and its key')
      .option('--store <file>', 'the store itself, such as a copy or one that was put aside')
      .option('--key <file>', 'its key')
  command('status', 'records, bytes, oldest record, and hours of buffer left at the present rate')
    .option('--max-megabytes <n>', 'bound of the store, where no configuration names it', megabytes)
    .option('--json', 'one JSON document', false)
    .action((options: StoreOptions & { json: boolean; maxMegabytes?: number }) => {
      const { reader, maxBytes } = open(options)
      try {
        const status = storeStatus(reader, { maxBytes: megabytesOf(options) ?? maxBytes, nowMs: Date.now() })
        process.stdout.write(options.json ? `${JSON.stringify(status)}\n` : statusLines(status))
      } finally {
        reader.close()
      }
    })
  command('verify', 'that every sealed group opens, holds what its row says, and no sequence number is missing')
    .option('--json', 'one JSON document', false)
    .action((options: StoreOptions & { json: boolean }) => {
      const { reader } = open(options)
      try {
        const verdict = reader.verify()
        process.stdout.write(options.json ? `${JSON.stringify(verdict)}\n` : verdictLines(verdict))
        if (verdict.problems.length > 0) exitWith(1)
      } finally {
        reader.close()
      }
    })
  command('export', 'every record that can be read, in order, as JSON lines or CSV on standard output')
    .option('--format <jsonl|csv>', 'form of the output', format, 'jsonl')
    .option('--unconfirmed', 'only what the centre has not confirmed', false)
    .option('--out <file>', 'a file instead of standard output; it must not exist')
    .action((options: StoreOptions & { format: Format; unconfirmed: boolean; out?: string }) => {
      const { reader } = open(options)
      try {
        if (exportStore(reader, options) > 0) exitWith(1)
      } finally {
        reader.close()
      }
    })
}

function megabytesOf({ maxMegabytes }: { maxMegabytes?: number }): number | undefined {
  return maxMegabytes === undefined ? undefined : maxMegabytes * 1_048_576
}

function megabytes(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 4) throw new InvalidArgumentError('must be a whole number from 4')
  return value
}

function format(text: string): Format {
  if (text !== 'jsonl' && text !== 'csv') throw new InvalidArgumentError('must be jsonl or csv')
  return text
}

function open({ config, store, key }: StoreOptions): { reader: StoreReader; maxBytes: number | undefined } {
  if (config !== undefined) return openStoreOf(readConfig(config))
  if (store === undefined) {
    throw new BioTrakrError('which store?', { code: 'USAGE', next: 'Give --config, or --store and --key.' })
  }
  return { reader: openStoreAt(store, key), maxBytes: undefined }
}

function verdictLines({ groups, records, epochs, problems }: ReturnType<StoreReader['verify']>): string {
  const head = `${epochs} epochs, ${groups} groups, ${records} sequence numbers: `
  if (problems.length === 0) return `${head}all whole\n`
  return `${head}${problems.length} problems\n${problems.map((line) => `  ${line}\n`).join('')}`
}
