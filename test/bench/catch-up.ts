import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { type AgentHealth, inspectOutbox, nodeCompression, outboxPath } from '@biotrakr/agent'
import { choosePort, storedEpochs, tallyLedger } from '@biotrakr/embedded'
import { decodeLive, type GatewayId, topics } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'
import { connect } from 'mqtt'

import { type Plant, startPlant } from '../src/plant.ts'
import type { Figure } from './figure.ts'
import { fillStore } from './store.ts'

const GATEWAY = 'bench-gateway' as GatewayId
const TAGS = 200
const PER_SECOND = 200
const SEED = 1
const SAMPLE_MS = 500
/** What came before the uplink returned: a store that is drained whole, and the fullest one that is promised. */
const DRAINED_HOURS = 6
const FULL_HOURS = 72
const FULL_SECONDS = 90
/** Slower than this, the measurement gives up: a quarter of what is promised. */
const LEAST_SPEED = 5

type Say = (text: string) => void

interface Offline {
  readonly hours: number
  /** The agent is stopped after so long, whatever is left; the time limit at most. */
  readonly seconds: number
}

/** Six hours without an uplink are caught up on, to the last record, by a real agent that follows a ward meanwhile. */
export function benchCatchUp(say: Say): Promise<Figure[]> {
  return measure({ hours: DRAINED_HOURS, seconds: (DRAINED_HOURS * 3_600) / LEAST_SPEED }, say)
}

/** The same behind 72 hours, for its first minute and a half. Filling the store takes about 5 minutes of processor time. */
export function benchCatchUpFull(say: Say): Promise<Figure[]> {
  return measure({ hours: FULL_HOURS, seconds: FULL_SECONDS }, say)
}

async function measure(offline: Offline, say: Say): Promise<Figure[]> {
  const startMs = Date.now()
  const ward = createWard({ seed: SEED, startMs, tags: TAGS })
  const plant = await startPlant({ gateway: GATEWAY, siteMap: ward.siteMap, tags: ward.tags, broker: 'mosquitto' })
  try {
    const backlog = fillOffline(plant.folder.at('agent'), { hours: offline.hours, say })
    const viewer = await watchLive(plant)
    const agent = await startAgent(plant, ward)
    const run = await catchUp({ plant, agent, viewer, backlog, seconds: offline.seconds, say })
    await viewer.close()
    const { counters, sync } = await healthOf(agent.port)
    const highestMb = memoryOf(agent.pid, 'VmHWM')
    await plant.household.stop('agent')
    const { lost, duplicated, waiting } = await tallyOf(plant)
    const group = `agent behind ${offline.hours} h of ${PER_SECOND} fixes/s, ${TAGS} tags live`
    say(`${run.committed} committed in ${run.seconds.toFixed(1)} s, ${counters.fixes} new fixes, ${waiting} left`)
    return [
      { group, name: 'ready after', value: agent.readySeconds, unit: 's', goal: { atMost: 3 } },
      {
        group,
        name: 'committed, start included',
        value: run.committed / run.seconds / PER_SECOND,
        unit: 'x real time',
        goal: { atLeast: 20 },
      },
      { group, name: 'live age meanwhile, p50', value: run.ageMs.p50, unit: 'ms' },
      { group, name: 'live age meanwhile, p99', value: run.ageMs.p99, unit: 'ms', goal: { atMost: 2_000 } },
      { group, name: 'live age meanwhile, highest', value: run.ageMs.highest, unit: 'ms' },
      { group, name: 'live positions let go', value: sync.liveDropped, unit: 'fixes' },
      { group, name: 'resident, highest', value: highestMb, unit: 'MB', goal: { atMost: 150 } },
      { group, name: 'lost', value: lost, unit: 'records', goal: { atMost: 0 } },
      { group, name: 'duplicated', value: duplicated, unit: 'records', goal: { atMost: 0 } },
    ]
  } finally {
    await plant.stop()
  }
}

/** Filled where a commit costs no disk, then moved to where the agent looks. @returns records held */
function fillOffline(dataDir: string, { hours, say }: { readonly hours: number; readonly say: Say }): number {
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'biotrakr-bench-'))
  try {
    const { unacknowledged } = fillStore(dir, { gateway: GATEWAY, hours, endMs: Date.now(), say })
    cpSync(dir, dataDir, { recursive: true })
    return unacknowledged
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

interface RunningAgent {
  readonly port: number
  readonly pid: string
  readonly readySeconds: number
}

async function startAgent(plant: Plant, { siteMap, tags }: ReturnType<typeof createWard>): Promise<RunningAgent> {
  const { port } = await choosePort(undefined)
  const sources = [{ kind: 'simulated', seed: SEED, startMs: Date.now(), tags: tags.length }]
  const settings = { sources, api: { port }, records: { ledger: 'all', live: true } }
  const config = plant.agentConfig({ siteMap, tags, settings })
  const words = ['run', '--config', config, '--flush-seconds', '5']
  const fromMs = performance.now()
  await plant.startProgram('agent', { bundle: 'agent', words, port })
  const readySeconds = (performance.now() - fromMs) / 1_000
  return { port, pid: readFileSync(plant.folder.at('run', 'agent.pid'), 'utf8').trim(), readySeconds }
}

/** Sees what a viewer sees: the age of a position is the time since the end of its window, which is the fix's own time. */
async function watchLive({ brokerUrl, folder }: Plant) {
  const { text: password } = folder.password('broker-serve')
  const client = connect(brokerUrl, { protocolVersion: 5, username: 'serve', password })
  await new Promise((resolve, reject) => client.once('connect', resolve).once('error', reject))
  const ages: number[] = []
  client.on('message', (_, payload) => {
    const nowMs = Date.now()
    const said = decodeLive(payload, nodeCompression)
    if (said.ok) ages.push(...said.fixes.map(({ atMs }) => nowMs - atMs))
  })
  await client.subscribeAsync(topics.live(GATEWAY))
  return { ages, close: () => client.endAsync() }
}

interface Chase {
  readonly plant: Plant
  readonly agent: RunningAgent
  readonly viewer: { readonly ages: readonly number[] }
  /** Records that the store held at the start. */
  readonly backlog: number
  readonly seconds: number
  readonly say: Say
}

/** Waits until the centre has as many records as were held, or the time is over. */
async function catchUp({ plant, agent, viewer, backlog, seconds: most, say }: Chase) {
  const fromMs = performance.now() - agent.readySeconds * 1_000
  let committed = 0
  let seconds = 0
  let told = 0
  while (committed < backlog && seconds < most) {
    await sleep(SAMPLE_MS)
    committed = await committedRecords(plant)
    seconds = (performance.now() - fromMs) / 1_000
    if (seconds - told < 15) continue
    told = seconds
    say(`${committed} of ${backlog} after ${Math.round(seconds)} s, ${Math.round(memoryOf(agent.pid, 'VmRSS'))} MB`)
  }
  const ages = [...viewer.ages].sort((a, b) => a - b)
  const rank = (share: number) => ages[Math.ceil(share * ages.length) - 1] ?? Number.NaN
  return { committed, seconds, ageMs: { p50: rank(0.5), p99: rank(0.99), highest: rank(1) } }
}

async function committedRecords({ pool }: Plant): Promise<number> {
  const { rows } = await pool.query<{ n: number }>('select coalesce(sum(hw), 0)::float8 as n from rtls.watermark')
  return rows[0]?.n ?? 0
}

function memoryOf(pid: string, key: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1_024
}

async function healthOf(port: number): Promise<AgentHealth> {
  const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(10_000) })
  return (await answer.json()) as AgentHealth
}

async function tallyOf({ pool, folder }: Plant) {
  return tallyLedger(inspectOutbox(outboxPath(folder.at('agent'))).epochs, await storedEpochs(pool, GATEWAY))
}
