import { nodeCompression, systemClock } from '@biotrakr/agent'
import { createHistoryDesk, createRecorder, deriveStays, rollUp } from '@biotrakr/cloud'
import { encodeBatch, type GatewayId } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'
import pg from 'pg'
import { pino } from 'pino'

import { type Plant, startPlant } from '../src/plant.ts'
import { type Figure, median } from './figure.ts'
import { recentFixes } from './fixes.ts'
import { HOUSE, loadHouse } from './history-load.ts'

const gateway = 'bench-gateway' as GatewayId
const RUNS = 40
const DAY_MS = 86_400_000
const FIXES = 400_000
const BATCH = 1_000
const SET_RECORDS = 20_000

type Say = (text: string) => void

/** 10 million fixes and 50,000 assets: what a nurse, an engineer and an auditor ask, and ingest beside a bare COPY. */
export async function benchHistory(say: Say): Promise<Figure[]> {
  const ward = createWard({ seed: 1, startMs: Date.UTC(2026, 0, 5, 8) })
  const plant = await startPlant({ gateway, siteMap: ward.siteMap, tags: ward.tags, ingesters: 0 })
  try {
    const startMs = performance.now()
    await loadHouse(plant.pool, say)
    const rows = await count(plant.pool, 'telemetry.location_history')
    const seconds = (performance.now() - startMs) / 1_000
    say(`${rows} fixes of ${HOUSE.tags} tags in ${Math.round(seconds)} s`)
    return [...(await questions(plant.pool)), ...(await jobs(plant.pool, say)), ...(await ingest(plant, say))]
  } finally {
    await plant.stop()
  }
}

interface Question {
  readonly name: string
  readonly goalMs: number
  /** @param n another tag, asset or time for each run */
  readonly sql: (n: number) => readonly [text: string, values: unknown[]]
  readonly ask: (client: pg.PoolClient, n: number) => Promise<unknown>
}

const desk = createHistoryDesk(systemClock)
const nowMs = Date.now()
const ago = (days: number) => new Date(nowMs - days * DAY_MS)
/** Busy tags, which have forty thousand fixes each. */
const asset = (n: number) => `00000000-0000-4000-8000-${String(1 + (n % HOUSE.busyTags)).padStart(12, '0')}`

const QUESTIONS: readonly Question[] = [
  {
    name: 'where is an asset now',
    goalMs: 5,
    sql: (n) => ['select * from asset.asset_current where asset_id = $1', [asset(n)]],
    ask: (client, n) => desk.location(client, `B-${1 + (n % HOUSE.tags)}`),
  },
  {
    name: 'newest 100 of a tag',
    goalMs: 10,
    sql: (n) => ['select * from rtls.asset_history($1, $2, $3, 100)', [asset(n), ago(400), ago(-1)]],
    ask: (client, n) => desk.history(client, { ...window(n, 399), limit: 100 }),
  },
  {
    name: 'where was everything of a facility',
    goalMs: 100,
    sql: (n) => ['select * from rtls.where_at(1, $1)', [ago((n % 27) + 0.5)]],
    ask: (client, n) => desk.whereAt(client, { facility: FACILITY, at: ago((n % 27) + 0.5).toISOString() }),
  },
  {
    name: "one tag's 28 days, all fixes",
    goalMs: 50,
    sql: (n) => ['select * from rtls.asset_history($1, $2, $3, 50000)', [asset(n), ago(28), ago(0)]],
    ask: (client, n) => desk.track(client, window(n, 28)),
  },
]

/** The facility of the ward, as the plant registers it. */
const FACILITY = 'plant'

function window(n: number, days: number) {
  return { asset: asset(n), from: ago(days).toISOString(), to: ago(0).toISOString() }
}

async function questions(pool: pg.Pool): Promise<Figure[]> {
  const client = await pool.connect()
  const figures: Figure[] = []
  try {
    await client.query('begin read only')
    await client.query('set local role bt_api')
    await client.query(`select set_config('app.org', '1', true), set_config('app.facilities', 'all', true)`)
    for (const { name, goalMs, sql, ask } of QUESTIONS) {
      const walls: number[] = []
      const plans: number[] = []
      for (let n = -3; n < RUNS; n++) {
        const startMs = performance.now()
        await ask(client, n + 7)
        if (n >= 0) walls.push(performance.now() - startMs)
        const [text, values] = sql(n + 7)
        const { rows } = await client.query(`explain (analyze, timing off, format json) ${text}`, values)
        if (n >= 0) plans.push(rows[0]['QUERY PLAN'][0]['Execution Time'])
      }
      const group = `history, ${name}`
      figures.push(
        { group, name: 'in the database p50', value: median(plans), unit: 'ms', goal: { atMost: goalMs } },
        { group, name: 'with names, in this program p50', value: median(walls), unit: 'ms' },
        { group, name: 'with names, in this program p95', value: quantile(walls, 0.95), unit: 'ms' },
      )
    }
    await client.query('rollback')
  } finally {
    client.release(true)
  }
  return figures
}

function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

/** A day of one gateway that comes late, and then a minute of it, as the jobs find it every minute. */
async function jobs(pool: pg.Pool, say: Say): Promise<Figure[]> {
  const { host, port, database, user, password } = pool.options
  const client = new pg.Client({ host, port, database, user, password })
  await client.connect()
  const group = 'history, jobs'
  try {
    const figures: Figure[] = []
    for (const [name, span] of [
      ['a day at once', '1 day'],
      ['a minute', '10 minutes'],
    ]) {
      say(`stays of ${name}`)
      const marked = await client.query<{ n: number }>(
        `with w as (update rtls.watermark set dirty_from = now() - $1::interval, dirty_seq = 0
           where epoch = '9-00000000000000bb' returning id)
         select count(*)::int as n from telemetry.location_history h join w on w.id = h.stream_id
         where h.t >= now() - $1::interval`,
        [span],
      )
      const fixes = marked.rows[0]?.n ?? 0
      const startMs = performance.now()
      await deriveStays(client, systemClock)
      const derivedMs = performance.now()
      await rollUp(client, systemClock)
      figures.push(
        { group, name: `stays of ${name} (${fixes} fixes)`, value: (derivedMs - startMs) / 1_000, unit: 's' },
        { group, name: `days and hours of ${name}`, value: (performance.now() - derivedMs) / 1_000, unit: 's' },
      )
    }
    return figures
  } finally {
    await client.end()
  }
}

/** One connection, batches of 1,000: watermark, dirty mark, positions and history in one transaction a set. */
async function ingest({ pool }: Plant, say: Say): Promise<Figure[]> {
  say('ingest beside a bare COPY')
  const recorder = createRecorder({
    pool,
    clock: systemClock,
    random: Math.random,
    compression: nodeCompression,
    log: pino({ level: 'warn' }, pino.destination(2)),
    onCommit: () => undefined,
  })
  const fixes = recentFixes(FIXES)
  const epoch = { counter: 3, nonce: '0123456789abcdef' }
  const runs = Array.from({ length: FIXES / BATCH }, (_, i) => {
    const records = fixes.slice(i * BATCH, (i + 1) * BATCH)
    const run = { gateway, epoch, first: i * BATCH + 1, last: (i + 1) * BATCH }
    return { ...run, bytes: encodeBatch({ ...run, records }, nodeCompression), content: { ok: true as const, records } }
  })
  const startMs = performance.now()
  for (let i = 0; i < runs.length; i += SET_RECORDS / BATCH) {
    const outcomes = await recorder.record(runs.slice(i, i + SET_RECORDS / BATCH))
    if (!outcomes?.every(({ kind }) => kind === 'recorded')) throw new Error('a set was not recorded')
  }
  const whole = FIXES / ((performance.now() - startMs) / 1_000)
  recorder.stop()
  const copy = FIXES / (await copySeconds(pool))
  const group = 'history, ingest in one connection'
  return [
    { group, name: 'watermark, positions, history', value: whole, unit: 'fixes/s', goal: { atLeast: 50_000 } },
    { group, name: 'COPY alone, same rows, from a file of the server', value: copy, unit: 'fixes/s' },
    { group, name: 'share of COPY alone', value: whole / copy, unit: '' },
  ]
}

/** The same rows again, in as many transactions, with nothing but COPY: no network, no program, no watermark. */
async function copySeconds(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ data_directory: string }>('show data_directory')
  const file = (n: number) => `'${rows[0]?.data_directory ?? ''}/bench-${n}.copy'`
  const parts = FIXES / SET_RECORDS
  const stream = `(select id from rtls.watermark where epoch = '3-0123456789abcdef')`
  for (let n = 0; n < parts; n++) {
    const range = `seq > ${n * SET_RECORDS} and seq <= ${(n + 1) * SET_RECORDS}`
    await pool.query(
      `copy (select * from telemetry.location_history where stream_id = ${stream} and t > now() - interval '2 days' and ${range})
       to ${file(n)} (format binary)`,
    )
  }
  const startMs = performance.now()
  for (let n = 0; n < parts; n++) await pool.query(`copy telemetry.location_history from ${file(n)} (format binary)`)
  return (performance.now() - startMs) / 1_000
}

async function count(pool: pg.Pool, table: string): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(`select count(*)::int as n from ${table}`)
  return rows[0]?.n ?? 0
}
