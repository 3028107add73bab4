import { mkdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

import { createSync, nodeCompression, systemClock } from '@biotrakr/agent'
import type { GatewayId } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'
import { pino } from 'pino'

import { type Plant, startPlant } from '../src/plant.ts'
import type { Figure } from './figure.ts'
import { recentFixes } from './fixes.ts'
import { filledOutbox } from './outbox.ts'

const FIXES = 400_000
const WINDOWS = [1, 8, 32] as const
const PACED = { perSecond: 1_000, seconds: 20 } as const
const gateway = 'bench-gateway' as GatewayId

/** Outbox -> sync -> broker -> ingester process -> PostgreSQL and the commit ack back, all real, all on this machine. */
export async function benchLedgerPath(say: (text: string) => void): Promise<Figure[]> {
  const ward = createWard({ seed: 1, startMs: Date.UTC(2026, 0, 5, 8) })
  const plant = await startPlant({ gateway, siteMap: ward.siteMap, tags: ward.tags })
  try {
    const figures: Figure[] = []
    for (const window of WINDOWS) {
      say(`end to end, window ${window}`)
      figures.push(...(await drain(plant, window)))
    }
    say(`end to end, ${PACED.perSecond} fixes/s for ${PACED.seconds} s`)
    figures.push(...(await paced(plant)))
    return figures
  } finally {
    await plant.stop()
  }
}

function syncOf(plant: Plant, outbox: ReturnType<typeof filledOutbox>['outbox'], window: number) {
  return createSync({
    gateway,
    software: 'bench',
    outbox,
    broker: { url: plant.brokerUrl, username: gateway, password: plant.brokerPassword.text },
    compression: nodeCompression,
    clock: systemClock,
    random: Math.random,
    log: pino({ level: 'warn' }, pino.destination(2)),
    window,
  })
}

async function drain(plant: Plant, window: number): Promise<Figure[]> {
  const dir = plant.folder.at(`outbox-${window}`)
  mkdirSync(dir)
  const { outbox } = filledOutbox(dir, gateway, recentFixes(FIXES))
  const before = await storedFixes(plant)
  const sync = syncOf(plant, outbox, window)
  const startMs = performance.now()
  sync.start()
  while (outbox.status().unacknowledged > 0) await sleep(5)
  const seconds = (performance.now() - startMs) / 1000
  const { ackMs, resends, nacks } = sync.status()
  await sync.stop({ flushMs: 1_000 })
  outbox.close()
  const stored = (await storedFixes(plant)) - before
  if (stored !== FIXES) throw new Error(`${stored} of ${FIXES} fixes are in the database`)
  const group = `end to end, window ${window}`
  const goal = window === 8 ? { goal: { atLeast: 60_000 } } : {}
  return [
    { group, name: 'committed', value: FIXES / seconds, unit: 'fixes/s', ...goal },
    { group, name: 'ack p50', value: ackMs.p50 ?? Number.NaN, unit: 'ms' },
    { group, name: 'ack p99', value: ackMs.p99 ?? Number.NaN, unit: 'ms' },
    { group, name: 'sent again', value: resends + nacks, unit: 'batches' },
  ]
}

/** The ack time that a site sees: fixes arrive evenly, and each group commit is sent at once. */
async function paced(plant: Plant): Promise<Figure[]> {
  const dir = plant.folder.at('outbox-paced')
  mkdirSync(dir)
  const { outbox } = filledOutbox(dir, gateway, [])
  const fixes = recentFixes(PACED.perSecond * PACED.seconds)
  const sync = syncOf(plant, outbox, 8)
  sync.start()
  while (sync.status().state !== 'idle') await sleep(10)
  const perStep = PACED.perSecond / 20
  for (let i = 0; i < fixes.length; i += perStep) {
    for (const fix of fixes.slice(i, i + perStep)) outbox.append(fix)
    outbox.flush()
    sync.notifyCommitted()
    await sleep(50)
  }
  while (outbox.status().unacknowledged > 0) await sleep(5)
  const { ackMs } = sync.status()
  await sync.stop({ flushMs: 1_000 })
  outbox.close()
  const group = `end to end, ${PACED.perSecond} fixes/s`
  return [
    { group, name: 'ack p50', value: ackMs.p50 ?? Number.NaN, unit: 'ms' },
    { group, name: 'ack p99', value: ackMs.p99 ?? Number.NaN, unit: 'ms', goal: { atMost: 100 } },
  ]
}

async function storedFixes({ pool }: Plant): Promise<number> {
  const { rows } = await pool.query<{ n: number }>('select count(*)::int as n from telemetry.location_history')
  return rows[0]?.n ?? 0
}
