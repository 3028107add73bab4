import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import type { Clock } from '@biotrakr/shared'
import { Client, type ClientBase } from 'pg'

import { exportRows } from './export.ts'
import { type HistoryWish, importHistory } from './history-import.ts'
import type { Database } from './jobs.ts'
import { type ImportFlows, importRegistry, type RegistryName, type RegistryWish } from './registry-import.ts'

/** For tests: three organisations, the first two with facilities `main` and `side`, the third empty but for them. */
export interface TestImports {
  readonly database: TestDatabase
  /** Writes a file and says where. */
  file(name: string, content: string | Buffer): string
  org(id: number, facilities?: string): Database
  take(kind: RegistryName, content: string | Buffer, wish?: Partial<RegistryWish> & { org?: number }): Taken
  history(content: string, wish?: Partial<HistoryWish> & { org?: number }): ReturnType<typeof importHistory>
  text(kind: RegistryName, org?: number): Promise<string>
  column(sql: string): Promise<unknown[]>
  stop(): Promise<void>
}

type Taken = ReturnType<typeof importRegistry>

const NOW_MS = Date.UTC(2026, 10, 20, 12)
export const clock: Pick<Clock, 'wallMs'> = { wallMs: () => NOW_MS }

const SETUP = `
  select set_config('app.org', '1', false), set_config('app.actor', 'test', false);
  insert into iam.org (slug, name) values ('one', 'One'), ('two', 'Two'), ('three', 'Three');
  insert into site.facility (org_id, code, name, time_zone)
    select o, c, c, 'UTC' from generate_series(1, 3) as o, unnest(array['main', 'side']) as c order by o, c;
  insert into site.gateway (org_id, facility_id, name) values (1, 1, 'gw-a');
  insert into iam.role (id, org_id, code, name, permissions)
    select gen_random_uuid(), o, 'nurse', 'Nurse', '{asset.read}' from generate_series(1, 3) as o`

export async function createTestImports(flows: ImportFlows): Promise<TestImports> {
  const database = await createTestDatabase()
  const owner = database.ownerClient
  await owner.query(SETUP)
  const api = new Client(database.options('bt_api'))
  await api.connect()
  const folder = mkdtempSync(join(tmpdir(), 'biotrakr-imports-'))
  let files = 0
  const run = async <T>(begin: string, scope: string[], work: (client: ClientBase) => Promise<T>): Promise<T> => {
    await api.query(begin)
    try {
      await api.query(
        `select set_config('app.org', $1, true), set_config('app.facilities', $2, true),
           set_config('app.actor', 'operator:test', true)`,
        scope,
      )
      const result = await work(api)
      await api.query('commit')
      return result
    } catch (error) {
      await api.query('rollback')
      throw error
    }
  }
  const org = (id: number, facilities = 'all'): Database => ({
    read: (work) => run('begin read only', [String(id), facilities], work),
    write: (work) => run('begin', [String(id), facilities], work),
  })
  const file = (name: string, content: string | Buffer) => {
    const path = join(folder, name)
    writeFileSync(path, content)
    return path
  }
  const fresh = (content: string | Buffer) => file(`file-${++files}.csv`, content)
  return {
    database,
    file,
    org,
    take: (kind, content, { org: id = 1, ...wish } = {}) =>
      importRegistry(org(id), { ...PLAIN, kind, path: fresh(content), ...wish }, { flows, nowMs: NOW_MS }),
    history: (content, { org: id = 1, ...wish } = {}) =>
      importHistory(org(id), { ...PLAIN_HISTORY, path: fresh(content), ...wish }, { nowMs: NOW_MS }),
    text: async (kind, id = 1) =>
      org(id).read(async (client) => {
        const parts: string[] = []
        for await (const part of exportRows(client, kind)) parts.push(part)
        return parts.join('')
      }),
    column: async (sql) => (await owner.query({ text: sql, rowMode: 'array' })).rows.map((row: unknown[]) => row[0]),
    stop: async () => {
      await api.end()
      await database.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const PLAIN = {
  mode: 'insert',
  dryRun: false,
  partial: false,
  force: false,
  createParents: false,
  names: new Map<string, string>(),
} as const
const PLAIN_HISTORY = { ...PLAIN, facility: 'main', maxGapMinutes: 60, batch: 1_000 }
