import { applySite } from '@biotrakr/cloud'
import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { committedRecords, editionMode, hasFix, storedEpochs, storedFixes, tagPlaces } from './ledger-query.ts'
import { tallyLedger } from './tally.ts'

const FIRST = '1-00000000000000aa'
const SECOND = '2-00000000000000bb'
const TAG = 'ble:c30000120001'

let database: TestDatabase
let pool: pg.Pool

beforeAll(async () => {
  database = await createTestDatabase()
  pool = new pg.Pool({ ...database.options('owner'), ssl: false })
  await applySite(pool, {
    org: { slug: 'embedded', name: 'Trial' },
    facility: { code: 'ward', name: 'Ward', timeZone: 'UTC' },
    rooms: [{ code: '101' }],
    gateways: [{ name: 'ward' }, { name: 'other' }],
    tags: [{ identity: TAG }],
  })
  await pool.query(`
    insert into rtls.watermark (org_id, gateway_id, epoch, hw)
      select g.org_id, g.id, e.epoch, e.hw from site.gateway g
      join (values ('ward', '${FIRST}', 8), ('ward', '${SECOND}', 2), ('other', '${FIRST}', 1)) e (name, epoch, hw)
        on e.name = g.name`)
  const stream = (name: string, epoch: string) =>
    `(select w.id from rtls.watermark w join site.gateway g on g.id = w.gateway_id where g.name = '${name}' and epoch = '${epoch}')`
  const [first, second, other] = [stream('ward', FIRST), stream('ward', SECOND), stream('other', FIRST)]
  const fixes = [1, 2, 2, 3].map((seq) => `(${first}, ${seq}, null::int)`)
  fixes.push(`(${second}, 1, (select id from site.room))`, `(${second}, 2, null)`, `(${other}, 1, null)`)
  await pool.query(`
    insert into telemetry.location_history (t, org_id, facility_id, tag_id, room_id, stream_id, seq, span_ms, method,
        reason, confidence, map_version)
      select to_timestamp(1800000000 + seq), t.org_id, t.facility_id, t.id, v.room, v.stream, v.seq, 0, 2, 0, 900, 1
      from rtls.tag t, (values ${fixes.join(', ')}) v (stream, seq, room);
    insert into telemetry.sensor_reading (t, org_id, facility_id, tag_id, stream_id, seq, kind, milli)
      select now(), org_id, facility_id, id, ${first}, 6, 3, 90000 from rtls.tag;
    insert into rtls.gap (org_id, stream_id, first_seq, last_seq, reason, from_t, to_t)
      select id, ${first}, 4, 5, 'evicted', now(), now() from iam.org;
    insert into rtls.quarantine (org_id, stream_id, first_seq, last_seq, level, code)
      select id, ${first}, 7, 7, 'row', 'TIME_RANGE' from iam.org;
    insert into rtls.position (org_id, tag_id, facility_id, room_id, t, since, method, reason, confidence, stream_id,
        seq, map_version)
      select t.org_id, t.id, t.facility_id, r.id, now(), now(), 2, 0, 900, ${second}, 1, 1 from rtls.tag t, site.room r`)
})
afterAll(async () => {
  await pool?.end()
  await database?.stop()
})

describe('what the database holds of a gateway', () => {
  it('is read epoch by epoch, copies, gaps and quarantine included, and nothing of another gateway', async () => {
    const stored = await storedEpochs(pool, 'ward')
    expect(stored.find(({ epoch }) => epoch === FIRST)).toMatchObject({
      rows: 5,
      fixes: 4,
      runs: [
        { first: 1, last: 3 },
        { first: 6, last: 6 },
      ],
      gaps: [{ first: 4, last: 5 }],
      quarantined: [{ first: 7, last: 7 }],
    })
    const outbox = [
      { epoch: FIRST, last: 8, acked: 8, fixes: 5 },
      { epoch: SECOND, last: 2, acked: 2, fixes: 2 },
    ]
    expect(tallyLedger(outbox, stored)).toMatchObject({ lost: 1, duplicated: 1, gaps: 2, quarantined: 1, committed: 6 })
  })

  it('gives the fixes of a run by tag, time and room', async () => {
    expect(await storedFixes(pool, 'ward', [SECOND])).toEqual([
      { tag: TAG, atMs: 1_800_000_001_000, room: '101' },
      { tag: TAG, atMs: 1_800_000_002_000, room: null },
    ])
  })

  it('tells this run from earlier ones', async () => {
    expect(await committedRecords(pool, 'ward', [])).toBe(10)
    expect(await committedRecords(pool, 'ward', [FIRST])).toBe(2)
    expect(await hasFix(pool, 'ward', [FIRST])).toBe(true)
    expect(await hasFix(pool, 'ward', [FIRST, SECOND])).toBe(false)
  })

  it('names the current room of the tags asked for', async () => {
    expect(await tagPlaces(pool, [TAG])).toEqual([{ tag: TAG, room: '101' }])
    expect(await tagPlaces(pool, ['ble:000000000000'])).toEqual([])
    expect(await editionMode(pool)).toMatch(/^(plain|apache|timescale)$/)
  })
})
