import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

import { type AgentHealth, inspectOutbox, outboxPath } from '@biotrakr/agent'
import { choosePort, nodeProgram, productRoot, storedEpochs, tallyLedger } from '@biotrakr/embedded'
import type { GatewayId } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'

import { seeded } from '../fuzz/chance.ts'
import { type FaultLine, openFaultLine } from '../src/fault-proxy.ts'
import { type Plant, startPlant } from '../src/plant.ts'
import { dealt, FAULTS, KILL_AGENT, type Stage } from './faults.ts'

export interface ChaosWish {
  readonly cycles: number
  readonly seed: number
  readonly onCycle?: (cycle: number, fault: string) => void
}

type Tally = ReturnType<typeof tallyLedger>

export interface ChaosReport extends Tally {
  readonly cycles: number
  readonly seed: number
  /** How often each fault was done; those that brought a waiting agent back at once included. */
  readonly faults: Readonly<Record<string, number>>
  /** Messages that the lines lost, repeated or reordered. */
  readonly messages: FaultLine['counts']
  /** Cycles before which the database had committed something new. */
  readonly movingCycles: number
  /** What `biotrakr outbox verify` says of the store: `ok`, or what is wrong. */
  readonly store: string
  readonly seconds: number
}

const GATEWAY = 'chaos-gateway' as GatewayId
const WARD_SEED = 7
/** So long the next fault waits for the ledger to move on again; it comes all the same after that. */
const PATIENCE_MS = 3_000
/** An agent that has lost its line waits for up to a minute; after this long it is rather killed, and connects at once. */
const AWAY_MS = 3_000
/** Nothing has arrived for so long: the rest will not come. */
const HOPELESS_MS = 180_000

/** Real agent, broker, two ingesters and PostgreSQL under one fault after another; then every id is looked for. */
export async function runChaos(wish: ChaosWish): Promise<ChaosReport> {
  const startMs = performance.now()
  const random = seeded(wish.seed)
  const ward = createWard({ seed: WARD_SEED, startMs: Date.now() })
  const open: FaultLine[] = []
  const openLines = async (brokerUrl: string) => {
    for (let i = 0; i < 2; i++) open.push(await openFaultLine(brokerUrl, random))
    const [gateway, centre] = open as [FaultLine, FaultLine]
    return { gateway: gateway.url, centre: centre.url }
  }
  const { siteMap, tags } = ward
  const plant = await startPlant({
    gateway: GATEWAY,
    siteMap,
    tags,
    broker: 'mosquitto',
    ingesters: 2,
    lines: openLines,
  })
  const [gateway, centre] = open as [FaultLine, FaultLine]
  const stage = { plant, lines: { gateway, centre }, random }
  try {
    const agent = await startAgent(plant, ward)
    const done = await torment(stage, agent.port, wish)
    await settle(stage)
    const tally = await tallyOf(plant)
    const { lost, repeated, reordered } = gateway.counts
    const messages = {
      lost: lost + centre.counts.lost,
      repeated: repeated + centre.counts.repeated,
      reordered: reordered + centre.counts.reordered,
    }
    const { cycles, seed } = wish
    const seconds = Math.round((performance.now() - startMs) / 1_000)
    return { cycles, seed, ...done, messages, ...tally, store: await verify(agent.config), seconds }
  } finally {
    await plant.stop()
    await Promise.all(open.map((line) => line.stop()))
  }
}

async function startAgent(plant: Plant, { siteMap, tags }: ReturnType<typeof createWard>) {
  const { port } = await choosePort(undefined)
  const sources = [{ kind: 'simulated', seed: WARD_SEED, startMs: Date.now(), tags: tags.length }]
  // Small batches, so that there is always something on its way.
  const sync = { batchRecords: 3 }
  const settings = { sources, api: { port }, records: { ledger: 'all' }, sync }
  const config = plant.agentConfig({ siteMap, tags, settings })
  const words = ['run', '--config', config, '--flush-seconds', '60']
  await plant.startProgram('agent', { bundle: 'agent', words, port })
  return { port, config }
}

async function torment(stage: Stage, agentPort: number, { cycles, onCycle }: ChaosWish) {
  const faults: Record<string, number> = {}
  const count = (name: string) => {
    faults[name] = (faults[name] ?? 0) + 1
  }
  const deck = dealt(FAULTS, stage.random)
  let movingCycles = 0
  for (let cycle = 1; cycle <= cycles; cycle++) {
    // One fault in four comes on top of the one before.
    const isSudden = stage.random() < 0.25
    if (!isSudden && (await hasMoved(stage, { agentPort, onReturn: () => count(KILL_AGENT.name) }))) movingCycles += 1
    const { value: fault } = deck.next()
    await fault.run(stage)
    count(fault.name)
    onCycle?.(cycle, fault.name)
  }
  return { faults, movingCycles }
}

interface Watch {
  readonly agentPort: number
  /** Called when the agent was killed, to make it connect at once. */
  readonly onReturn: () => void
}

/** Waits until the database commits something, and a moment of chance more. @returns false when it did not in time */
async function hasMoved(stage: Stage, { agentPort, onReturn }: Watch): Promise<boolean> {
  const { plant, random } = stage
  const before = await committed(plant)
  for (const untilMs = performance.now() + PATIENCE_MS; performance.now() < untilMs; await sleep(100)) {
    const now = await committed(plant)
    if (now !== undefined && before !== undefined && now > before) {
      await sleep(random() * 500)
      return true
    }
    if ((await awayMs(agentPort)) < AWAY_MS) continue
    await KILL_AGENT.run(stage)
    onReturn()
    return false
  }
  return false
}

/** @returns undefined while the database is away */
async function committed({ pool }: Plant): Promise<number | undefined> {
  const sum = 'select coalesce(sum(hw), 0)::float8 as sum from rtls.watermark'
  const result = await pool.query<{ sum: number }>(sum).catch(() => undefined)
  return result?.rows[0]?.sum
}

/** How long the agent has been without a connection. */
async function awayMs(port: number): Promise<number> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(1_000) })
    const { sync } = (await answer.json()) as AgentHealth
    return sync.state === 'connecting' ? Date.now() - sync.since : 0
  } catch {
    return 0
  }
}

/** Waits until the centre has everything, and ends the agent. */
async function settle({ plant }: Stage): Promise<void> {
  await plant.allReady()
  // One that has seen its broker die several times may wait a minute before it tries again.
  plant.signal('agent', 'SIGKILL')
  await plant.allReady()
  let waiting = Number.POSITIVE_INFINITY
  for (let sinceMs = performance.now(); performance.now() - sinceMs < HOPELESS_MS; await sleep(1_000)) {
    const tally = await tallyOf(plant).catch(() => undefined)
    if (tally && tally.waiting + tally.lost < waiting) sinceMs = performance.now()
    waiting = tally ? tally.waiting + tally.lost : waiting
    // The agent goes on meanwhile; what is new within a second may always be on its way.
    if (waiting <= 100) break
  }
  await plant.household.stop('agent')
}

async function tallyOf({ pool, folder }: Plant): Promise<Tally> {
  return tallyLedger(inspectOutbox(outboxPath(folder.at('agent'))).epochs, await storedEpochs(pool, GATEWAY))
}

async function verify(config: string): Promise<string> {
  const { args, env } = nodeProgram('agent', ['outbox', 'verify', '--config', config, '--json'])
  const run = promisify(execFile)(process.execPath, [...args], { cwd: productRoot, env: { ...process.env, ...env } })
  return run.then(
    () => 'ok',
    (error: unknown) => String(error),
  )
}
