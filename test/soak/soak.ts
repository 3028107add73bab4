import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

import { type AgentHealth, inspectOutbox, outboxPath } from '@biotrakr/agent'
import { choosePort, storedEpochs, tallyLedger } from '@biotrakr/embedded'
import type { GatewayId } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'

import { type Plant, startPlant } from '../src/plant.ts'
import { judge, type Sample, type Verdict } from './growth.ts'

export interface SoakWish {
  /** Simulated seconds per second. */
  readonly speed: number
  /** Simulated hours. */
  readonly hours: number
  /** Tags in the ward. At 100 times real speed each of them makes the work of 100. */
  readonly tags: number
  readonly onSample?: (sample: Sample) => void
}

export interface SoakReport extends Verdict {
  readonly speed: number
  readonly hours: number
  readonly tags: number
  readonly seconds: number
  readonly readings: number
  readonly records: number
  readonly lost: number
  readonly duplicated: number
  /** At most some hundred, evenly spread. */
  readonly samples: readonly Sample[]
}

const GATEWAY = 'soak-gateway' as GatewayId
const HOUR_MS = 3_600_000
const SAMPLE_MS = 2_000
const SEED = 11
const KEPT_SAMPLES = 200
/**
 * V8 lets garbage pile up for hours as long as its bounds allow it: resident memory then says how lazy it is, not what
 * the agent holds. With a small heap it says that within the warm-up, and an agent that leaks does not live to the end.
 */
const SMALL_HEAP = ['--max-old-space-size=96', '--max-semi-space-size=4']

/** A real agent process lives fast, beside a real broker, ingester and database, and its memory and handles are watched. */
export async function soak({ speed, hours, tags: count, onSample }: SoakWish): Promise<SoakReport> {
  const realStartMs = Date.now()
  // Its story ends now: the centre refuses what is to come.
  const eventStartMs = realStartMs - hours * HOUR_MS
  const { siteMap, tags } = createWard({ seed: SEED, startMs: eventStartMs, tags: count })
  const plant = await startPlant({ gateway: GATEWAY, siteMap, tags })
  try {
    const { port } = await choosePort(undefined)
    const time = { speed, eventStartMs, realStartMs: Date.now() }
    const sources = [{ kind: 'simulated', seed: SEED, startMs: eventStartMs, tags: tags.length }]
    const config = plant.agentConfig({ siteMap, tags, settings: { sources, time, api: { port } } })
    const words = ['run', '--config', config, '--flush-seconds', '60']
    await plant.startProgram('agent', { bundle: 'agent', words, port, flags: SMALL_HEAP })
    const pid = readFileSync(plant.folder.at('run', 'agent.pid'), 'utf8').trim()
    const samples: Sample[] = []
    for (let hour = 0; hour < hours; ) {
      await sleep(SAMPLE_MS)
      hour = ((Date.now() - time.realStartMs) * speed) / HOUR_MS
      const sample = { hour, ...measure(pid) }
      samples.push(sample)
      onSample?.(sample)
    }
    const { counters } = await healthOf(port)
    await plant.household.stop('agent')
    const seconds = Math.round((Date.now() - realStartMs) / 1_000)
    const { records, lost, waiting, duplicated } = await tallyOf(plant)
    const step = Math.ceil(samples.length / KEPT_SAMPLES)
    return {
      speed,
      hours,
      tags: count,
      seconds,
      readings: counters.readings,
      records,
      lost: lost + waiting,
      duplicated,
      ...judge(samples),
      samples: samples.filter((_, i) => i % step === 0),
    }
  } finally {
    await plant.stop()
  }
}

function measure(pid: string): Omit<Sample, 'hour'> {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kilobytes = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1])
  const threads = Number(/Threads:\s+(\d+)/.exec(status)?.[1])
  return { rssMb: kilobytes / 1_024, handles: readdirSync(`/proc/${pid}/fd`).length, threads }
}

async function healthOf(port: number): Promise<AgentHealth> {
  const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(10_000) })
  return (await answer.json()) as AgentHealth
}

async function tallyOf({ pool, folder }: Plant) {
  return tallyLedger(inspectOutbox(outboxPath(folder.at('agent'))).epochs, await storedEpochs(pool, GATEWAY))
}
