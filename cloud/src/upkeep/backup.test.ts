import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import fc from 'fast-check'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { type BackupOptions, listBackups, makeBackup } from './backup.ts'
import { type BackupHeader, newSalt, openBackup, sealBackup } from './backup-file.ts'
import { connectClient } from './connection.ts'
import { findTool } from './pg-tools.ts'
import { drillRestore, restoreBackup } from './restore.ts'
import { createTestDatabase, type TestDatabase } from './test-database.ts'

const KEY = new Uint8Array(32).fill(7)
const DAY_MS = 86_400_000
const apache = process.env['BIOTRAKR_TEST_APACHE_URL']

function hasTools(): boolean {
  try {
    return spawnSync(findTool('pg_dump'), ['--version']).status === 0
  } catch {
    return false
  }
}
const isMissing = !hasTools() && process.env['BIOTRAKR_REQUIRE_ALL'] !== '1'
const why = isMissing ? ' (skipped: pg_dump is not installed)' : ''

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-backup-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the file of a backup', () => {
  const header: BackupHeader = {
    createdAt: '2026-01-02T03:04:05.000Z',
    database: 'd',
    server: '15',
    extension: null,
    migration: '0001',
    salt: newSalt(),
  }
  const write = async (parts: readonly Uint8Array[]): Promise<{ path: string; bytes: Buffer }> => {
    async function* dump() {
      yield* parts
    }
    const sealed: Buffer[] = []
    for await (const part of sealBackup(header, KEY, { manifest: '{"a":1}', dump: dump() })) sealed.push(part)
    const path = join(folder, 'file.btbackup')
    writeFileSync(path, Buffer.concat(sealed))
    return { path, bytes: Buffer.concat(sealed) }
  }
  const read = async (path: string, key: Uint8Array = KEY): Promise<Buffer> => {
    const parts: Buffer[] = []
    const { manifest, dump } = await openBackup(path, key)
    expect(manifest).toBe('{"a":1}')
    for await (const part of dump) parts.push(part)
    return Buffer.concat(parts)
  }

  it('gives back what was put in, however it came in pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 9 }), async (parts) => {
        const { path } = await write(parts)
        expect(await read(path)).toEqual(Buffer.concat(parts))
      }),
      { numRuns: 20 },
    )
    const large = [new Uint8Array(2_500_000).fill(1), new Uint8Array(1_048_576).fill(2)]
    expect((await read((await write(large)).path)).equals(Buffer.concat(large))).toBe(true)
  })

  it('shows every changed byte, every missing end and every addition', async () => {
    const { path, bytes } = await write([new Uint8Array(600).fill(3)])
    for (let at = 0; at < bytes.length; at += 7) {
      const changed = Buffer.from(bytes)
      changed.writeUInt8((changed.readUInt8(at) ^ 1) & 0xff, at)
      writeFileSync(path, changed)
      await expect(read(path), `byte ${at}`).rejects.toMatchObject({ code: expect.stringMatching(/^BACKUP_/) })
    }
    for (let length = 0; length < bytes.length; length += 11) {
      writeFileSync(path, bytes.subarray(0, length))
      await expect(read(path), `${length} bytes`).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' })
    }
    writeFileSync(path, Buffer.concat([bytes, Buffer.of(0)]))
    await expect(read(path)).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' })
  })

  it('cannot be opened with another key', async () => {
    const { path } = await write([new Uint8Array(10)])
    await expect(read(path, new Uint8Array(32))).rejects.toMatchObject({ code: 'BACKUP_KEY' })
  })
})

interface Edition {
  readonly edition: string
  readonly server: string | undefined
  /** Of pg_dump and pg_restore as new as the server. */
  readonly toolFolder: string | undefined
}

const apacheTools = process.env['BIOTRAKR_TEST_APACHE_TOOLS']
const editions: readonly Edition[] = [
  { edition: 'plain PostgreSQL', server: undefined, toolFolder: undefined },
  ...(apache === undefined || apacheTools === undefined
    ? []
    : [{ edition: 'TimescaleDB, Apache edition', server: apache, toolFolder: apacheTools }]),
]

describe.skipIf(isMissing).each(editions)(`a backup of $edition${why}`, ({ server, toolFolder }) => {
  let database: TestDatabase
  let owner: Client
  let options: BackupOptions

  beforeAll(async () => {
    database = await createTestDatabase({ server })
    owner = database.ownerClient
    options = {
      database: database.options('bt_backup'),
      folder: mkdtempSync(join(folder, 'made-')),
      key: KEY,
      keepDays: 30,
      keepMonths: 13,
      toolFolder,
      clock: { wallMs: () => Date.now() },
    }
    await owner.query(`
      insert into iam.org (slug, name) values ('secret-hospital', 'St. Anna'), ('other', 'Other');
      insert into site.facility (org_id, code, name, time_zone) values (1, 'main', 'Main', 'UTC'), (2, 'b', 'B', 'UTC');
      insert into site.room (org_id, facility_id, code, name) select 1, 1, 'r' || n, 'Room ' || n from generate_series(1, 50) n;
      insert into site.gateway (org_id, facility_id, name) values (1, 1, 'gw-a');
      insert into rtls.tag (org_id, identity) select 1, 'ble:c3' || lpad(to_hex(n), 10, '0') from generate_series(1, 20) n;
      insert into telemetry.location_history (t, org_id, facility_id, tag_id, room_id, stream_id, seq, span_ms, method,
          reason, confidence, map_version)
        select now() - n * interval '10 minutes', 1, 1, 1 + n % 20, 1 + n % 50, 1, n, 1000, 2, 0, 900, 1
        from generate_series(1, 5000) n`)
  }, 60_000)
  afterAll(() => database.stop())

  it('comes back equal in rows, contents and rights in a scratch database, which is gone afterwards', async () => {
    const made = await makeBackup(options)
    expect(readFileSync(made.file).includes('secret-hospital')).toBe(false)
    const drill = { file: made.file, key: KEY, database: database.options('owner'), toolFolder }
    const restored = await drillRestore(drill, 'drill_one')
    expect(restored.differences).toEqual([])
    expect(restored.rows).toBeGreaterThan(5_000)
    expect((await owner.query(`select from pg_database where datname = 'drill_one'`)).rowCount).toBe(0)
  }, 120_000)

  it('shows what differs when the database it is compared with is another', async () => {
    const made = await makeBackup(options)
    const target = { ...database.options('owner'), database: `target_${process.pid}` }
    const first = await restoreBackup({ file: made.file, key: KEY, database: target, toolFolder })
    expect(first.differences).toEqual([])
    const client = await connectClient({ ...target, user: database.options('owner').user })
    const { rows } = await client.query('select count(*)::int as n from telemetry.location_history')
    expect(rows).toEqual([{ n: 5_000 }])
    await client.end()
    await expect(restoreBackup({ file: made.file, key: KEY, database: target, toolFolder })).rejects.toMatchObject({
      code: 'RESTORE_FAILED',
      message: expect.stringContaining('not empty'),
    })
    await owner.query(`drop database ${target.database} with (force)`)
  }, 120_000)

  it('is refused to a login that row security would show an empty database', async () => {
    await expect(makeBackup({ ...options, database: database.options('bt_jobs') })).rejects.toMatchObject({
      code: 'BACKUP_FAILED',
      message: expect.stringContaining('row security'),
    })
  })

  it('leaves no half file when it fails', async () => {
    const before = readdirSync(options.folder)
    await expect(makeBackup({ ...options, toolFolder: '/nowhere' })).rejects.toMatchObject({ code: 'BACKUP_FAILED' })
    expect(readdirSync(options.folder)).toEqual(before)
  })

  it('lets go what is older than 30 days, but for the first of each of 13 months', async () => {
    const kept = mkdtempSync(join(folder, 'kept-'))
    const nowMs = Date.parse('2026-06-15T00:00:00Z')
    const ages = [1, 29, 31, 40, 44, 75, 200, 500]
    for (const days of ages) {
      const clock = { wallMs: () => nowMs - days * DAY_MS }
      await makeBackup({ ...options, folder: kept, clock, keepDays: 3_650 })
    }
    const made = await makeBackup({ ...options, folder: kept, clock: { wallMs: () => nowMs } })
    expect(made.removed).toHaveLength(3)
    const left = (await listBackups(kept)).map(({ createdAt }) => createdAt.slice(0, 10))
    expect(left).toEqual(['2026-06-15', '2026-06-14', '2026-05-17', '2026-05-02', '2026-04-01', '2025-11-27'])
  }, 120_000)
})
