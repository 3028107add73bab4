import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { deriveStays } from './history/derive-stays.ts'
import { rollUp } from './history/roll-up.ts'
import { createTestImports, clock as fixed, type TestImports } from './imports/test-imports.ts'
import { importFlows } from './imports.ts'
import { systemClock } from './system-clock.ts'

let house: TestImports
const clock = { ...systemClock, wallMs: fixed.wallMs }

beforeAll(async () => {
  house = await createTestImports(importFlows(clock))
  await house.database.ownerClient.query(`
    insert into site.room (org_id, facility_id, code, name) select 1, 1, 'R' || i, 'Room' from generate_series(1, 3) as i;
    insert into site.room (org_id, facility_id, code, name) values (1, 2, 'S1', 'Side'), (2, 3, 'R1', 'Foreign');
    insert into asset.category (id, org_id, code, name) values (gen_random_uuid(), 1, 'pump', 'Pump');
    insert into asset.asset (id, org_id, facility_id, category_id, asset_tag, name)
      select gen_random_uuid(), 1, 1, id, 'A-' || i, 'Pump' from asset.category, generate_series(1, 3) as i;
    insert into rtls.tag (org_id, identity) values (1, 'ble:c30000000001');
    insert into rtls.tag_assignment (id, org_id, tag_id, asset_id, from_t, to_t)
      select gen_random_uuid(), 1, 1, id, '2026-03-01T10:00Z', null from asset.asset where asset_tag = 'A-1'`)
})
afterAll(() => house.stop())

const lines = (...rows: string[]) => `${rows.join('\n')}\n`
const stored = () =>
  house.column(
    `select concat_ws(' ', to_char(h.t at time zone 'UTC', 'MM-DD HH24:MI'), g.identity, r.code, h.span_ms, h.method, h.confidence, h.x, h.seq)
     from telemetry.location_history h join rtls.tag g on g.id = h.tag_id join site.room r on r.id = h.room_id order by h.t, h.seq`,
  )

const FILE = lines(
  'time,asset_tag,tag,room,confidence,x,y,span_s,method',
  '2026-03-01T10:30:00Z,A-1,,R2,0.9,,,,GPS',
  '2026-03-01T09:00:00Z,A-1,,R1,,1.5,2,,RFID',
  '2026-03-01T09:20:00Z,A-1,,R1,,,,,RFID',
  '2026-03-01T09:20:00Z,A-1,,R1,,,,,RFID',
  '2026-03-01 11:00:00+01:00,,ble:c30000000001,R1,,,,60,',
  '2026-03-01T09:10:00Z,A-2,,R3,,,,,',
)

describe("an older system's history", () => {
  it('is taken in the order of time as MIGRATED, with a tag for what wore none and duplicates left out', async () => {
    const report = await house.history(FILE)
    expect(report).toMatchObject({ total: 6, ok: 5, skipped: 1, bad: 0, legacyTags: 2, resumedAt: 0 })
    expect(await stored()).toEqual([
      '03-01 09:00 legacy:A-1 R1 0 9 0 1.5 1',
      '03-01 09:10 legacy:A-2 R3 0 9 0 2',
      '03-01 09:20 legacy:A-1 R1 1200000 9 0 3',
      '03-01 10:00 ble:c30000000001 R1 60000 9 0 5',
      '03-01 10:30 ble:c30000000001 R2 1800000 9 900 6',
    ])
    expect(
      await house.column(
        `select concat_ws(' ', g.identity, to_char(w.from_t at time zone 'UTC', 'HH24:MI:SS'), to_char(w.to_t at time zone 'UTC', 'HH24:MI:SS'))
         from rtls.tag_assignment w join rtls.tag g on g.id = w.tag_id order by g.identity`,
      ),
    ).toEqual(['ble:c30000000001 10:00:00', 'legacy:A-1 09:00:00 09:20:01', 'legacy:A-2 09:10:00 09:10:01'])
  })

  it('is in the stays and the sums of days once the jobs have run', async () => {
    const jobs = new Client(house.database.options('bt_jobs'))
    await jobs.connect()
    await deriveStays(jobs, clock)
    await rollUp(jobs, clock)
    await jobs.end()
    expect(
      await house.column(
        `select concat_ws(' ', g.identity, r.code, to_char(s.t at time zone 'UTC', 'HH24:MI'), to_char(s.leave_t at time zone 'UTC', 'HH24:MI'))
         from telemetry.stay s join rtls.tag g on g.id = s.tag_id join site.room r on r.id = s.room_id order by s.t, 1`,
      ),
    ).toEqual([
      'legacy:A-1 R1 09:00 09:20',
      'legacy:A-2 R3 09:10 09:10',
      'ble:c30000000001 R1 10:00 10:30',
      'ble:c30000000001 R2 10:30 10:30',
    ])
    expect(await house.column(`select sum(dwell_ms)::int from telemetry.tag_day where tag_id = 1`)).toEqual([1_800_000])
  })

  it('is taken once: the same file is refused, and what another file or a second go repeats is left out', async () => {
    await expect(house.history(FILE)).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await house.history(FILE, { force: true })).toMatchObject({ ok: 0, skipped: 6 })
    const more = lines('time,asset_tag,room', '2026-03-01T09:20:00Z,A-1,R1', '2026-03-01T09:25:00Z,A-1,R2')
    expect(await house.history(more)).toMatchObject({ ok: 1, skipped: 1 })
    expect(await stored()).toHaveLength(6)
  })

  it('names every row that is wrong and takes nothing of the file, or all others with --partial', async () => {
    const text = lines(
      'time,asset_tag,tag,room',
      '2026-04-01T09:00:00,A-1,,R1',
      '2026-04-01T09:00:00Z,B-1,,R1',
      '2026-04-01T09:00:00Z,,ble:c3000000ffff,R1',
      '2026-04-01T09:00:00Z,A-1,,S1',
      '2027-04-01T09:00:00Z,A-1,,R1',
      '2026-04-02T09:00:00Z,A-2,,R1',
      '2026-04-02T09:00:00Z,A-2,,R2',
      '2026-02-30T09:00:00Z,A-2,,R2',
    )
    const before = await stored()
    const error: unknown = await house.history(text).catch((reason: unknown) => reason)
    const { message } = error as Error
    expect(message).toContain('row 2, time: FORMAT must be a time with its zone')
    expect(message).toContain('row 3, asset_tag: UNKNOWN_REF must name an asset that is there (is "B-1")')
    expect(message).toContain('row 4, tag: UNKNOWN_REF')
    expect(message).toContain('row 5, room: UNKNOWN_REF must name a room of this facility (is "S1")')
    expect(message).toContain('row 6, time: RANGE must not lie in the future')
    expect(message).toContain('row 8, room: CONFLICT was in R1 at that very time')
    expect(message).toContain('row 9, time: FORMAT')
    expect(await stored()).toEqual(before)
    expect(await house.history(text, { partial: true, dryRun: true })).toMatchObject({ ok: 1, bad: 7, job: null })
    expect(await house.history(text, { partial: true })).toMatchObject({ ok: 1, bad: 7 })
  })

  it('takes local times by the zone that is named, and none that there never was', async () => {
    const text = lines(
      'time,tag,room',
      '2026-03-29T01:59:00,ble:c30000000001,R1',
      '2026-03-29T03:00:00,ble:c30000000001,R1',
    )
    expect(await house.history(text, { zone: 'Europe/Berlin' })).toMatchObject({ ok: 2 })
    expect(
      await house.column(
        `select extract(epoch from max(t) - min(t))::int from telemetry.location_history where t between '2026-03-29' and '2026-03-30'`,
      ),
    ).toEqual([60])
    const never = lines('time,tag,room', '2026-03-29T02:30:00,ble:c30000000001,R1')
    await expect(house.history(never, { zone: 'Europe/Berlin' })).rejects.toThrow('time: FORMAT')
    await expect(house.history(never, { zone: 'Europe/Nowhere' })).rejects.toThrow(
      'There is no time zone "Europe/Nowhere"',
    )
  })

  it('is written by nobody for another organisation, another facility or another place in its stream', async () => {
    const [job] = await house.column(`select id from iam.import_job where kind = 'history' limit 1`)
    const call = (org: number, facilities: string) =>
      house.org(org, facilities).write(async (client) => {
        const { rows } = await client.query(
          `select rtls.begin_import($1) as hw, rtls.import_fixes($1, 1, 2, '{0}', '{1}', '{1}', '{1}', '{0}', '{0}', '{}', '{}', '{}') as n`,
          [job],
        )
        return rows[0]
      })
    await house.database.ownerClient.query(
      `update iam.import_job set state = 'running', ended_at = null where id = $1`,
      [job],
    )
    expect(await call(2, 'all')).toEqual({ hw: null, n: null })
    expect(await call(1, '{2}')).toEqual({ hw: null, n: null })
    expect(await call(1, 'all')).toMatchObject({ n: null })
    await house.database.ownerClient.query(`update iam.import_job set state = 'done', ended_at = now() where id = $1`, [
      job,
    ])
    await expect(house.history(FILE, { org: 2 })).rejects.toThrow('UNKNOWN_REF')
  })
})

const KILLED_ROWS = 60_000

describe('an import of history that is killed', () => {
  it('goes on where it was when the same command is given again, and repeats and leaves out nothing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'biotrakr-import-kill-'))
    const { host, port, database, user, password } = house.database.options('bt_api')
    writeFileSync(join(folder, 'password'), password ?? '', { mode: 0o600 })
    const access = { host, port, database, user, passwordFile: 'password', tls: 'off' }
    writeFileSync(join(folder, 'api.yaml'), JSON.stringify({ database: access, org: 'one' }))
    const startMs = Date.UTC(2025, 0, 1)
    const rows = Array.from(
      { length: KILLED_ROWS },
      (_, i) => `${new Date(startMs + i * 1_000).toISOString()},A-3,R${1 + (i % 3)}`,
    )
    writeFileSync(join(folder, 'old.csv'), lines('time,asset_tag,room', ...rows))
    const count = () =>
      house
        .column(`select count(*)::int from telemetry.location_history where t < '2026-01-01'`)
        .then(([n]) => Number(n))
    const command = () => {
      const main = fileURLToPath(new URL('main.ts', import.meta.url))
      const words = ['import', 'history', join(folder, 'old.csv'), '-c', join(folder, 'api.yaml'), '--facility', 'main']
      return spawn(
        process.execPath,
        ['--import', 'tsx', '--conditions=biotrakr:source', main, ...words, '--batch', '1000', '--json'],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      )
    }
    const first = command()
    while ((await count()) < 3_000) await new Promise((resolve) => setTimeout(resolve, 20))
    first.kill('SIGKILL')
    await once(first, 'exit')
    const kept = await count()
    expect(kept % 1_000).toBe(0)
    expect(kept).toBeLessThan(KILLED_ROWS)
    const second = command()
    let said = ''
    second.stdout.on('data', (text) => {
      said += String(text)
    })
    await once(second, 'close')
    const report = JSON.parse(said) as { resumedAt: number }
    expect(report).toMatchObject({ total: KILLED_ROWS, ok: KILLED_ROWS, skipped: 0, bad: 0 })
    expect(report.resumedAt).toBeGreaterThanOrEqual(kept)
    expect(await count()).toBe(KILLED_ROWS)
    expect(
      await house.column(`select count(distinct seq)::int from telemetry.location_history where t < '2026-01-01'`),
    ).toEqual([KILLED_ROWS])
    rmSync(folder, { recursive: true, force: true })
  }, 60_000)
})
