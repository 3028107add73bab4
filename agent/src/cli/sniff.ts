import { randomBytes } from 'node:crypto'

import { BioTrakrError, isTagId, type ReceiverId, type TagId } from '@biotrakr/shared'
import { type Command, InvalidArgumentError } from 'commander'
import { pino } from 'pino'

import { type AgentConfig, readConfig } from '../config.ts'
import { type BleAdapterOptions, createBluetoothKernel, type OnHeard, openBle, type Source } from '../sources.ts'
import { systemClock } from '../system-clock.ts'
import { openSource } from './open-source.ts'
import { openRecording, type Recording } from './recording.ts'
import { createSniffBoard } from './sniff-board.ts'
import { createSniffView } from './sniff-view.ts'
import { askedToStop } from './stop-request.ts'

interface SniffOptions {
  readonly config?: string
  readonly adapter: readonly string[]
  readonly allow: readonly string[]
  readonly active: boolean
  readonly json: boolean
  readonly record?: string
  readonly recordEverybody: boolean
  readonly seconds?: number
}

const SHOW_MS = 1_000

/** `biotrakr sniff`: what the adapters hear, live. */
export function addSniffCommand(biotrakr: Command): void {
  biotrakr
    .command('sniff')
    .description('show what the Bluetooth adapters hear; other people are a class and a number, never an address')
    .option('-c, --config <file>', 'adapters and tags of this configuration; a simulated ward is played')
    .option('--adapter <where...>', 'hciN, an address or a serial device; all adapters when none is named', [])
    .option('--allow <tag...>', 'further tags to name, such as ble:c30000123456', [])
    .option('--active', 'ask for scan responses; with --config as configured', false)
    .option('--json', 'one JSON object a second', false)
    .option('--record <file>', 'also write the adverts of named tags to a new file, for replay --ble')
    .option('--record-everybody', 'with --record: all adverts with their addresses; only where everybody agrees', false)
    .option('--seconds <n>', 'end after this time', positive)
    .action(sniff)
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 86_400)) throw new InvalidArgumentError('must be above 0 and at most 86400 seconds')
  return value
}

async function sniff(options: SniffOptions): Promise<void> {
  const board = createSniffBoard(randomBytes(32))
  const recording = options.record === undefined ? undefined : openRecording(options.record, options.recordEverybody)
  const sources = await openSources(options, (report, whose) => {
    board.heard(report, whose)
    recording?.take(report, whose)
  })
  const view = createSniffView(process.stdout, options.json)
  const show = () => {
    const adapters = sources.flatMap((source) => source.status().detail.split('; '))
    const strangers = sources[0]?.status().strangers?.adverts ?? {}
    const atMs = Date.now()
    view.show({ atMs, adapters, strangers, devices: board.devices(atMs) })
  }
  for (const source of sources) await source.start(() => undefined)
  const beat = setInterval(show, SHOW_MS)
  await ended(options.seconds)
  clearInterval(beat)
  show()
  view.end()
  const failed = sources.map((source) => source.status()).find(({ state }) => state === 'failed')
  for (const source of sources) await source.stop()
  await closeRecording(recording)
  if (failed) {
    const next = 'Run biotrakr doctor.'
    throw new BioTrakrError(`no adapter could be used: ${failed.detail}`, { code: 'BLE_NO_ADAPTER', next })
  }
}

async function ended(seconds: number | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<void>((resolve) => {
    if (seconds !== undefined) timer = setTimeout(resolve, seconds * 1_000)
    // Whoever reads has seen enough.
    process.stdout.on('error', () => resolve())
  })
  await Promise.race([over, askedToStop({ onStdinEnd: false })])
  clearTimeout(timer)
}

async function closeRecording(recording: Recording | undefined): Promise<void> {
  if (!recording) return
  const { written, dropped } = await recording.close()
  const lost = dropped > 0 ? `; ${dropped} more came faster than the disk took them` : ''
  process.stderr.write(`${written} adverts recorded${lost}\n`)
}

async function openSources(options: SniffOptions, onHeard: OnHeard): Promise<readonly Source[]> {
  const config = options.config === undefined ? undefined : readConfig(options.config)
  const allow = new Set<TagId>([...(config?.tags ?? []), ...namedTags(options.allow)])
  const log = pino({ level: 'silent' })
  const parts = { clock: systemClock, allow, random: Math.random, log, onHeard }
  const radios = options.adapter.length === 0 ? (config?.sources.filter(hearsAdverts) ?? []) : []
  if (radios.length > 0) {
    return radios.map((source) => openSource(source, { ...parts, startMs: Date.now(), tags: config?.tags ?? [] }))
  }
  const mode = options.active ? 'active' : 'passive'
  const wheres = options.adapter.length > 0 ? options.adapter : await presentAdapters()
  return [openBle({ ...parts, adapters: wheres.map((where) => adapterAt(where, mode)) })]
}

function hearsAdverts({ kind }: AgentConfig['sources'][number]): boolean {
  return kind === 'ble' || kind === 'simulated'
}

function namedTags(tags: readonly string[]): TagId[] {
  return tags.map((tag) => {
    if (isTagId(tag)) return tag
    const next = 'Write identities such as ble:c30000123456 or ibeacon:<uuid>/<major>/<minor>.'
    throw new BioTrakrError(`not a tag identity: ${tag}`, { code: 'USAGE', next })
  })
}

async function presentAdapters(): Promise<string[]> {
  const present = await createBluetoothKernel({ clock: systemClock }).adapters()
  if (present.length > 0) return present.map(({ index }) => `hci${index}`)
  throw new BioTrakrError('this machine has no Bluetooth adapter', {
    code: 'BLE_NO_ADAPTER',
    next: 'Plug one in, or name a serial controller with --adapter.',
  })
}

function adapterAt(where: string, mode: 'active' | 'passive'): BleAdapterOptions {
  const receiver = where as ReceiverId
  const index = /^hci(\d{1,5})$/.exec(where)?.[1]
  if (index !== undefined) return { receiver, mode, target: { index: Number(index) } }
  if (/^[0-9a-f]{2}(?:[:-]?[0-9a-f]{2}){5}$/i.test(where)) return { receiver, mode, target: { address: where } }
  if (where.startsWith('/')) return { receiver, mode, target: { uart: where } }
  throw new BioTrakrError(`not an adapter: ${where}`, {
    code: 'USAGE',
    next: 'Write hci0, an address such as 00:11:22:33:44:55, or a serial device such as /dev/ttyUSB0.',
  })
}
