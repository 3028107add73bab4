import { BioTrakrError } from '@biotrakr/shared'
import type { Command } from 'commander'

import { type BleDecodeOptions, decodeBle } from './decode-ble.ts'
import { inputLines } from './input-lines.ts'

interface DecodeOptions extends BleDecodeOptions {
  readonly ble: boolean
  readonly json: boolean
}

/** `biotrakr decode`: what bytes from the air or the wire say. One kind of bytes each time. */
export function addDecodeCommand(biotrakr: Command): void {
  biotrakr
    .command('decode')
    .description('say what is in a payload; "-" reads one payload a line from standard input')
    .argument('<payload>', 'hex, or "-"')
    .option('--ble', 'BLE advertising data, without PDU header', false)
    .option('--address <address>', 'with --ble: the address that sent it, such as c3:00:00:12:34:56')
    .option('--key <hex>', 'with --ble: key that opens an encrypted payload, 32 hex digits')
    .option('--irk <hex>', 'with --ble: identity resolving key to try on the address, 32 hex digits, either byte order')
    .option('--json', 'one JSON object per payload instead of plain lines', false)
    .action(decode)
}

async function decode(payload: string, options: DecodeOptions): Promise<void> {
  const describe = decoderOf(options)
  for await (const text of payload === '-' ? inputLines(process.stdin) : [payload]) {
    const described = describe(text)
    if (described === undefined) continue
    process.stdout.write(options.json ? `${JSON.stringify(described)}\n` : plainLines(described))
  }
}

/** @returns what describes one payload; nothing for an empty line */
function decoderOf(options: DecodeOptions): (text: string | undefined) => object | undefined {
  if (options.ble) return decodeBle(options)
  throw new BioTrakrError('no kind of payload is named', { code: 'USAGE', next: 'Add --ble for BLE advertising data.' })
}

/** The format and who it is on the first line, then one line a value. */
function plainLines(described: object, indent = ''): string {
  return Object.entries(described)
    .map(([name, value]) => {
      if (typeof value !== 'object' || value === null || isFlat(value)) return `${indent}${name}: ${shown(value)}\n`
      return `${indent}${name}:\n${plainLines(value, `${indent}  `)}`
    })
    .join('')
}

function isFlat(value: object): boolean {
  return Array.isArray(value) && value.every((item) => typeof item !== 'object')
}

function shown(value: unknown): string {
  return Array.isArray(value) ? value.join(' ') : String(value)
}
