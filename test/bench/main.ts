import { cpus } from 'node:os'

import Table from 'cli-table3'

import { benchAgentMemory } from './agent-memory.ts'
import { benchAssets } from './assets.ts'
import { benchAudit } from './audit.ts'
import { benchBle } from './ble.ts'
import { benchBleEmergency } from './ble-emergency.ts'
import { benchBleLoad } from './ble-load.ts'
import { benchCatchUp, benchCatchUpFull } from './catch-up.ts'
import { benchEpc } from './epc.ts'
import { type Figure, meetsGoal } from './figure.ts'
import { benchHistory } from './history.ts'
import { benchFullImport, benchImport } from './imports.ts'
import { benchIngest } from './ingest.ts'
import { benchIsolation } from './isolation.ts'
import { benchLedgerPath } from './ledger-path.ts'
import { benchLocateCost } from './locate-cost.ts'
import { benchOutbox } from './outbox.ts'
import { benchReports } from './reports.ts'
import { benchProfile, benchRfid } from './rfid.ts'
import { benchFullStore, benchStore } from './store.ts'
import { benchWards } from './wards.ts'
import { benchWire } from './wire.ts'

const HELP = `npm run bench -- [--json] [part...]

Parts: wire, outbox, store, full-store, ingest, path, agent, catch-up, full-catch-up, rfid (also of one profile: rfid:ID), ble (also by piece: ble-load, ble-emergency), locate, assets, audit, isolation, history, reports, import, full-import (10 million rows) and wards.
Without a name all but wards, audit, import, full-import, full-store, catch-up, full-catch-up and history, which take many minutes.
Prints every figure with the goal the product promises; exit code 1 when a goal is missed.
`

type Say = (text: string) => void
const PARTS: Record<string, (say: Say) => Figure[] | Promise<Figure[]>> = {
  wire: benchWire,
  outbox: benchOutbox,
  store: benchStore,
  'full-store': benchFullStore,
  ingest: benchIngest,
  path: benchLedgerPath,
  agent: benchAgentMemory,
  rfid: (say) => [...benchEpc(), ...benchRfid(say)],
  ble: benchBle,
  'ble-load': benchBleLoad,
  locate: benchLocateCost,
  wards: benchWards,
  assets: benchAssets,
  audit: benchAudit,
  isolation: benchIsolation,
  'ble-emergency': benchBleEmergency,
  'catch-up': benchCatchUp,
  'full-catch-up': benchCatchUpFull,
  history: benchHistory,
  reports: benchReports,
  import: benchImport,
  'full-import': benchFullImport,
}

/** What follows is the id of a profile. */
const ONE_PROFILE = 'rfid:'

const ONLY_BY_NAME = new Set([
  'wards',
  'audit',
  'full-store',
  'catch-up',
  'full-catch-up',
  'history',
  'reports',
  'import',
  'full-import',
])

const words = process.argv.slice(2)
const unknown = words.filter((word) => word !== '--json' && !(word in PARTS) && !word.startsWith(ONE_PROFILE))
if (unknown.length > 0) {
  process.stderr.write(`${unknown.includes('--help') ? '' : `unknown: ${unknown.join(', ')}\n`}${HELP}`)
  process.exitCode = unknown.includes('--help') ? 0 : 2
} else {
  await run(
    words.includes('--json'),
    words.filter((word) => word !== '--json'),
  )
}

async function run(json: boolean, wished: readonly string[]): Promise<void> {
  const figures: Figure[] = []
  for (const [name, measure] of Object.entries(PARTS)) {
    if (!isWished(name, wished)) continue
    const say: Say = (text) => process.stderr.write(`${name}: ${text}\n`)
    say('measuring')
    figures.push(...(await measure(say)))
  }
  for (const word of wished) {
    if (word.startsWith(ONE_PROFILE)) figures.push(...(await benchProfile(word.slice(ONE_PROFILE.length))))
  }
  process.stdout.write(json ? `${JSON.stringify({ machine: machine(), figures })}\n` : `${table(figures)}\n`)
  if (!figures.every(meetsGoal)) process.exitCode = 1
}

function isWished(name: string, wished: readonly string[]): boolean {
  if (wished.length === 0) return !ONLY_BY_NAME.has(name)
  return wished.some((word) => name === word || name.startsWith(`${word}-`))
}

function machine(): string {
  return `${cpus()[0]?.model ?? 'unknown CPU'} x ${cpus().length}, Node ${process.version}`
}

function table(figures: readonly Figure[]): string {
  const rows = new Table({ head: ['what', 'figure', 'value', 'unit', 'goal', ''], style: { head: [], border: [] } })
  for (const figure of figures) {
    const { group, name, value, unit, goal } = figure
    const wished = goal && ('atLeast' in goal ? `>= ${plain(goal.atLeast)}` : `<= ${plain(goal.atMost)}`)
    rows.push([group, name, plain(value), unit, wished ?? '', goal ? (meetsGoal(figure) ? 'met' : 'MISSED') : ''])
  }
  return `${machine()}\n${rows.toString()}`
}

function plain(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}
