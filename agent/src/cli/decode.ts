import { BioTrakrError } from '@biotrakr/shared'
import { type Command, CommanderError } from 'commander'

import { type BleDecodeOptions, decodeBle } from './decode-ble.ts'
import { describeEpc, PERSONAL_NOTE } from './decode-epc.ts'
import { createHexReader, decodeFrames, frameLine } from './decode-profile.ts'
import { inputLines } from './input-lines.ts'

interface DecodeOptions extends BleDecodeOptions {
  readonly ble: boolean
  readonly epc: boolean
  readonly profile?: string
  readonly raw: boolean
  readonly json: boolean
}

/** `biotrakr decode`: what bytes from the air or the wire say. One kind of bytes each time. */
export function addDecodeCommand(biotrakr: Command): void {
  biotrakr
    .command('decode')
    .description('say what is in a payload, a tag or what a reader sent; "-" reads standard input')
    .argument('<payload>', 'hex, or "-"')
    .option('--ble', 'BLE advertising data, without PDU header; on standard input one payload a line', false)
    .option('--address <address>', 'with --ble: the address that sent it, such as c3:00:00:12:34:56')
    .option('--key <hex>', 'with --ble: key that opens an encrypted payload, 32 hex digits')
    .option('--irk <hex>', 'with --ble: identity resolving key to try on the address, 32 hex digits, either byte order')
    .option('--profile <id|file>', 'what a reader sends, by its profile; standard input is one stream, cut anywhere')
    .option('--raw', 'with --profile: standard input is bytes, not hex', false)
    .option('--epc', 'the EPC of a tag; on standard input one a line; exit code 2 when one is no EPC', false)
    .option('--json', 'one JSON object per payload, frame or tag instead of plain lines', false)
    .action(decode)
}

async function decode(payload: string, options: DecodeOptions): Promise<void> {
  const kinds = [options.ble, options.epc, options.profile !== undefined].filter((isWanted) => isWanted).length
  if (kinds !== 1) {
    const problem = kinds === 0 ? 'no kind of payload is named' : 'more than one kind of payload is named'
    const next = 'Add --ble for BLE advertising data, --epc for a tag, or --profile ID for what a reader sends.'
    throw new BioTrakrError(problem, { code: 'USAGE', next })
  }
  if (options.profile !== undefined) await decodeStream(payload, options.profile, options)
  else if (options.epc) await decodeEpcs(payload, options)
  else await decodeAdverts(payload, options)
}

async function decodeAdverts(payload: string, options: DecodeOptions): Promise<void> {
  const describe = decodeBle(options)
  for await (const text of payloads(payload)) {
    const described = describe(text)
    if (described !== undefined) print(described, options)
  }
}

async function decodeEpcs(payload: string, options: DecodeOptions): Promise<void> {
  let refused = 0
  for await (const text of payloads(payload)) {
    const described = describeEpc(text)
    if ('error' in described) refused += 1
    print(described, options)
    if ('personal' in described && described.personal && !options.json) process.stdout.write(`note: ${PERSONAL_NOTE}\n`)
  }
  if (refused > 0) throw new CommanderError(2, 'biotrakr.refused', `${refused} refused`)
}

async function decodeStream(payload: string, profile: string, { raw, json }: DecodeOptions): Promise<void> {
  const framer = decodeFrames(profile, (frame) => {
    process.stdout.write(`${json ? JSON.stringify(frame) : frameLine(frame)}\n`)
  })
  const readHex = createHexReader()
  const pieces: AsyncIterable<Buffer> | readonly string[] = payload === '-' ? process.stdin : [payload]
  for await (const piece of pieces) {
    // A recording has no times: a pause of whoever pipes it in is no pause of the reader.
    framer.push(raw && typeof piece !== 'string' ? piece : readHex(piece.toString()), 0)
  }
  framer.flush()
}

function payloads(payload: string): AsyncIterable<string | undefined> | readonly string[] {
  return payload === '-' ? inputLines(process.stdin) : [payload]
}

function print(described: object, { json }: DecodeOptions): void {
  process.stdout.write(json ? `${JSON.stringify(described)}\n` : plainLines(described))
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
