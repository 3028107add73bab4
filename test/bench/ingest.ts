import { nodeCompression, systemClock } from '@biotrakr/agent'
import { createRecorder } from '@biotrakr/cloud'
import { type Epoch, encodeBatch, type GatewayId } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'
import { pino } from 'pino'

import { type Plant, startPlant } from '../src/plant.ts'
import type { Figure } from './figure.ts'
import { recentFixes } from './fixes.ts'

const FIXES = 400_000
const SET_RECORDS = 20_000
const gateway = 'bench-gateway' as GatewayId

/** The record stage alone: decoded batches in memory, one transaction per set, on a real PostgreSQL that syncs. */
export async function benchIngest(): Promise<Figure[]> {
  const ward = createWard({ seed: 1, startMs: Date.UTC(2026, 0, 5, 8) })
  const plant = await startPlant({ gateway, siteMap: ward.siteMap, tags: ward.tags })
  try {
    return [await record(plant, { counter: 1, size: 200 }), await record(plant, { counter: 2, size: 1_000 })]
  } finally {
    await plant.stop()
  }
}

async function record({ pool }: Plant, { counter, size }: { counter: number; size: number }): Promise<Figure> {
  const recorder = createRecorder({
    pool,
    clock: systemClock,
    random: Math.random,
    compression: nodeCompression,
    log: pino({ level: 'warn' }, pino.destination(2)),
    onCommit: () => undefined,
  })
  const runs = runsOf({ counter, nonce: '0123456789abcdef' }, size)
  const perSet = SET_RECORDS / size
  const startMs = performance.now()
  for (let i = 0; i < runs.length; i += perSet) {
    const outcomes = await recorder.record(runs.slice(i, i + perSet))
    if (!outcomes?.every(({ kind }) => kind === 'recorded')) throw new Error('a set was not recorded')
  }
  const seconds = (performance.now() - startMs) / 1000
  await recorder.stop()
  return {
    group: 'ingest alone (COPY, watermark, position)',
    name: `batches of ${size}`,
    value: FIXES / seconds,
    unit: 'fixes/s',
  }
}

function runsOf(epoch: Epoch, size: number) {
  const fixes = recentFixes(FIXES)
  return Array.from({ length: FIXES / size }, (_, i) => {
    const records = fixes.slice(i * size, (i + 1) * size)
    const run = { gateway, epoch, first: i * size + 1, last: (i + 1) * size }
    return { ...run, bytes: encodeBatch({ ...run, records }, nodeCompression), content: { ok: true as const, records } }
  })
}
