import type { Pool } from 'pg'

import type { CareFacts } from './report/facts.ts'
import type { Report } from './report/report.ts'
import type { DatabaseFacts, DataFacts } from './serve/health.ts'
import { migrationStatus } from './upkeep/migrate.ts'

/** Of a database that is behind the program, of which the tables may not be there yet. */
const UNKNOWN: CareFacts = {
  assets: 0,
  assetsChangedAt: null,
  replicas: 0,
  isReplica: false,
  backups: { newestAt: null, oldestAt: null, drilledAt: null },
  failedJobs: [],
}

/** Asks the database what health says of it. */
export async function probeDatabase(pool: Pool, report: Report): Promise<DatabaseFacts & DataFacts> {
  const edition = await report.edition()
  const migrations = await standing(pool)
  const { mode, server, extension } = edition ?? { mode: 'unknown', server: 'unknown', extension: null }
  const care = migrations === 'behind' ? UNKNOWN : await report.care()
  return { mode, server, extension, migrations, ...care }
}

async function standing(pool: Pool): Promise<DatabaseFacts['migrations']> {
  const client = await pool.connect()
  try {
    const states = new Set((await migrationStatus(client)).map(({ state }) => state))
    return states.has('pending') ? 'behind' : states.size > 1 ? 'different' : 'current'
  } finally {
    client.release()
  }
}
