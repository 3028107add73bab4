import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock } from '@biotrakr/agent'
import { importFlows, importHistory, importRegistry, withTenant } from '@biotrakr/cloud'
import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'

import type { Figure } from './figure.ts'

const ROWS = 1_000_000
const FULL_ROWS = 10_000_000
const ASSETS = 50_000
/** Whose history it is. */
const TRACKED = 2_000
const ROOMS = 200
const GOAL = 50_000

type Say = (text: string) => void

/** A file of 50,000 assets, and one of a million rows of an older system's history. */
export function benchImport(say: Say): Promise<Figure[]> {
  return measure(say, ROWS)
}

/** The same with ten million rows. */
export function benchFullImport(say: Say): Promise<Figure[]> {
  return measure(say, FULL_ROWS)
}

async function measure(say: Say, rows: number): Promise<Figure[]> {
  const database = await createTestDatabase()
  const folder = mkdtempSync(join(tmpdir(), 'biotrakr-bench-import-'))
  try {
    await database.ownerClient.query(
      `select set_config('app.org', '1', false), set_config('app.actor', 'bench', false);
       insert into iam.org (slug, name) values ('bench', 'Bench');
       insert into site.facility (org_id, code, name, time_zone) values (1, 'main', 'Main', 'UTC');
       insert into site.room (org_id, facility_id, code, name) select 1, 1, 'R' || i, 'Room' from generate_series(0, ${ROOMS - 1}) as i;
       insert into asset.category (id, org_id, code, name) values (gen_random_uuid(), 1, 'pump', 'Pumps')`,
    )
    return [...(await assets(database, folder, say)), ...(await history(database, { folder, rows, say }))]
  } finally {
    await database.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

const COMMON = { dryRun: false, partial: false, force: false, names: new Map<string, string>() }

async function assets(database: TestDatabase, folder: string, say: Say): Promise<Figure[]> {
  const path = join(folder, 'assets.csv')
  writeLines(path, 'asset_tag,name,category,facility,manufacturer,serial_no,home_room,status', ASSETS, (i) =>
    [`A-${i}`, `Infusion pump ${i}`, 'pump', 'main', 'Braun', `S${i}`, `R${i % ROOMS}`, 'active'].join(','),
  )
  const wish = { ...COMMON, kind: 'assets', path, mode: 'insert', createParents: false } as const
  const startMs = performance.now()
  const report = await within(database, (tenant) =>
    importRegistry(tenant, wish, { flows: importFlows(systemClock), nowMs: systemClock.wallMs() }),
  )
  const seconds = (performance.now() - startMs) / 1_000
  if (report.ok !== ASSETS) throw new Error(`${report.ok} assets were taken`)
  say(`${ASSETS} assets in ${seconds.toFixed(1)} s`)
  const group = `import of ${ASSETS} assets, each with its entry in the audit chain`
  return [{ group, name: 'whole', value: seconds, unit: 's' }]
}

interface HistoryBench {
  readonly folder: string
  readonly rows: number
  readonly say: Say
}

async function history(database: TestDatabase, { folder, rows, say }: HistoryBench): Promise<Figure[]> {
  const path = join(folder, 'history.csv')
  const firstMs = systemClock.wallMs() - 90 * 86_400_000
  writeLines(path, 'time,asset_tag,room', rows, (i) =>
    [new Date(firstMs + i * 500).toISOString(), `A-${(i * 7) % TRACKED}`, `R${(i >> 6) % ROOMS}`].join(','),
  )
  const wish = { ...COMMON, path, facility: 'main', maxGapMinutes: 60, batch: 10_000 }
  let writeMs = 0
  const onProgress = ({ phase }: { readonly phase: string }) => {
    if (phase === 'write' && writeMs === 0) writeMs = performance.now()
  }
  const startMs = performance.now()
  const report = await within(database, (tenant) =>
    importHistory(tenant, wish, { nowMs: systemClock.wallMs(), onProgress }),
  )
  const endMs = performance.now()
  if (report.ok !== rows) throw new Error(`${report.ok} rows were taken`)
  const rate = (ms: number) => rows / (ms / 1_000)
  say(
    `${rows} rows in ${((endMs - startMs) / 1_000).toFixed(1)} s, of these ${((endMs - writeMs) / 1_000).toFixed(1)} writing`,
  )
  const group = `import of ${rows} rows of history, ${TRACKED} assets`
  return [
    {
      group,
      name: 'whole: read, checked and written',
      value: rate(endMs - startMs),
      unit: 'rows/s',
      goal: { atLeast: GOAL },
    },
    { group, name: 'written alone', value: rate(endMs - writeMs), unit: 'rows/s' },
  ]
}

type Tenant = Parameters<Parameters<typeof withTenant>[2]>[0]

function within<T>(database: TestDatabase, work: (tenant: Tenant) => Promise<T>): Promise<T> {
  return withTenant(database.options('bt_api'), { org: 'bench', actor: 'operator:bench' }, work)
}

function writeLines(path: string, header: string, count: number, line: (i: number) => string): void {
  const file = openSync(path, 'w')
  writeSync(file, `${header}\n`)
  for (let at = 0; at < count; at += 10_000) {
    const part = Array.from({ length: Math.min(10_000, count - at) }, (_, i) => line(at + i))
    writeSync(file, `${part.join('\n')}\n`)
  }
  closeSync(file)
}
