import { existsSync, readFileSync } from 'node:fs'

import { inspectOutbox } from '@biotrakr/agent'
import type { Pool } from 'pg'

import { type Accuracy, judgeRooms } from './accuracy.ts'
import type { Summary } from './display.ts'
import { editionMode, storedEpochs, storedFixes } from './ledger-query.ts'
import type { Product } from './product.ts'
import { tallyLedger } from './tally.ts'

/** What was seen while the run lasted. */
export interface RunRecord {
  readonly mode: Summary['mode']
  readonly gateway: string
  readonly data: string
  readonly seconds: number
  readonly readings: number
  readonly ackP99Ms: number | null
  readonly firstFixMs: number | null
  readonly restarts: number
  /** Event time up to which the story was played, wall milliseconds. */
  readonly playedToMs: number
}

type Ledger = Pick<
  Summary,
  'fixes' | 'committed' | 'records' | 'lost' | 'duplicated' | 'waiting' | 'gaps' | 'quarantined' | 'lostRuns'
>

/** Compares the gateway's store with the database, once the gateway has ended and the database still runs. */
export async function summarise(product: Product, record: RunRecord): Promise<Summary> {
  const { pool, schedule, database, broker } = product
  const { playedToMs, gateway, ...seen } = record
  const { ledger, epochs } = await readLedger(product, gateway)
  const accuracy = await judge(pool, { gateway, epochs, schedule, playedToMs })
  return {
    ...seen,
    ...ledger,
    roomAccuracy: accuracy.samples === 0 ? null : round(accuracy.right / accuracy.samples, 4),
    accuracySamples: accuracy.samples,
    speed: schedule.time?.speed ?? 1,
    database,
    edition: await editionMode(pool),
    broker,
  }
}

/** Fixes are those of this run; loss and repetition are looked for in everything that the store has ever numbered. */
async function readLedger({ pool, outboxFile, earlierEpochs }: Product, gateway: string) {
  const all = existsSync(outboxFile) ? inspectOutbox(outboxFile).epochs : []
  const own = all.filter(({ epoch }) => !earlierEpochs.includes(epoch))
  const stored = await storedEpochs(pool, gateway)
  const { fixes, committed } = tallyLedger(own, stored)
  const ledger: Ledger = { ...tallyLedger(all, stored), fixes, committed }
  return { ledger, epochs: own.map(({ epoch }) => epoch) }
}

interface Judged extends Pick<Product, 'schedule'>, Pick<RunRecord, 'gateway' | 'playedToMs'> {
  readonly epochs: readonly string[]
}

async function judge(pool: Pool, { gateway, epochs, schedule, playedToMs }: Judged): Promise<Accuracy> {
  const fixes = await storedFixes(pool, gateway, epochs)
  const firstMs = fixes.reduce((least, { atMs }) => Math.min(least, atMs), Number.POSITIVE_INFINITY)
  return Number.isFinite(firstMs) ? judgeRooms(fixes, schedule.truth(firstMs, playedToMs)) : { samples: 0, right: 0 }
}

const TAIL_BYTES = 65_536

/** The agent's own count, which it logs when it has stopped; undefined when it was killed. */
export function readingsWhenStopped(logFile: string): number | undefined {
  if (!existsSync(logFile)) return undefined
  const lines = readFileSync(logFile, 'utf8').slice(-TAIL_BYTES).split('\n')
  const last = lines.findLast((line) => line.includes('"agent.started"') || line.includes('"agent.stopped"'))
  if (!last?.includes('"agent.stopped"')) return undefined
  const { readings } = JSON.parse(last) as { readings?: number }
  return readings
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
