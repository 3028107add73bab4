import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { BioTrakrError, siteMapSchema } from '@biotrakr/shared'
import { afterAll, describe, expect, it } from 'vitest'

import { datasetSiteMap, datasetTruth, readDataset } from './dataset.ts'

const folder = mkdtempSync(join(tmpdir(), 'biotrakr-dataset-'))
const csv = join(folder, 'test.csv')
afterAll(() => rmSync(folder, { recursive: true }))

const META = {
  rooms: ['ward', 'hall'],
  receiver_room: { r1: 'ward', r2: '' },
  receiver_xyz: { r1: [1, 2, 3] },
  adjacency: [['ward', 'hall']],
  note: 'not read',
}
const HEADER = 'session,t_ms,receiver,tag,rssi,room'

function read(lines: readonly string[], { meta = META, ...options }: { meta?: unknown; maxRows?: number } = {}) {
  writeFileSync(join(folder, 'meta.json'), typeof meta === 'string' ? meta : JSON.stringify(meta))
  writeFileSync(csv, lines.join('\n'))
  return readDataset(folder, options)
}

function failure(run: () => unknown): { code: string; message: string; next: string } {
  try {
    run()
  } catch (error) {
    if (error instanceof BioTrakrError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('a data set folder', () => {
  it('gives rows on one timeline with canonical tags and their truth', () => {
    const set = read([HEADER, '"s:1,2",100,r1,tag1,-54.5,ward', '"s:1,2",350,r3,C3:00:00:12:34:56,-60,', ''])
    expect(set.rows).toEqual([
      { offsetMs: 0, receiver: 'r1', tag: 'dataset:tag1', rssiDbm: -54.5, room: 'ward' },
      { offsetMs: 250, receiver: 'r3', tag: 'ble:c30000123456', rssiDbm: -60 },
    ])
    expect(datasetTruth(set)).toEqual([{ tag: 'dataset:tag1', offsetMs: 0, room: 'ward' }])
    expect([set.tags, set.receivers, set.durationMs, set.medium]).toEqual([
      ['dataset:tag1', 'ble:c30000123456'],
      ['r1', 'r3'],
      250,
      'BLE',
    ])
  })

  it('gives a site map that has the receivers only its rows name', () => {
    const map = datasetSiteMap(read([HEADER, 's,0,r3,t,-60,hall']))
    expect(map).toEqual({
      version: 1,
      rooms: [
        { id: 'ward', transit: false },
        { id: 'hall', transit: false },
      ],
      receivers: [
        { id: 'r1', medium: 'BLE', room: 'ward', at: [1, 2, 3] },
        { id: 'r3', medium: 'BLE' },
      ],
      adjacency: [['ward', 'hall']],
    })
    expect(siteMapSchema.parse(map)).toEqual(map)
  })

  it('knows RFID by its columns or by the names of its antennas', () => {
    expect(read([`${HEADER},phase,freq`, 's,0,r1,t,-60,ward,2.4,924.25']).medium).toBe('RFID')
    expect(read([HEADER, 's,0,ant1,t,-60,ward', 's,1,Antenna-2,t,-60,ward']).medium).toBe('RFID')
    expect(read([HEADER, 's,0,anchor1,t,-60,ward']).medium).toBe('BLE')
  })

  it('reports malformed rows by file and line and uses the rest', () => {
    const set = read([
      HEADER,
      's,0,r1,t,-60,ward',
      's,one,r1,t,-60,ward',
      's,1,r1,t,strong,ward',
      '"s,1,r1,t,-60,ward',
      's,1,r1,t,-60',
      's,1,,t,-60,ward',
      's,1,r1,a tag,-60,ward',
      `s,1,r1,t,-60,${'x'.repeat(65)}`,
      `${'x'.repeat(70_000)}`,
      '',
      's,2,r1,t,-61,ward',
    ])
    expect(set.rows.map(({ offsetMs }) => offsetMs)).toEqual([0, 2])
    expect(set.problems.first).toEqual([
      `${csv}:3: t_ms is not a time in milliseconds`,
      `${csv}:4: rssi is not a power in dBm`,
      `${csv}:5: a quote is not closed`,
      `${csv}:6: has 5 fields, the header has 6`,
      `${csv}:7: receiver is not a name of 1-64 characters`,
      `${csv}:8: tag is not an address or a name of 1-64 printable characters without spaces`,
      `${csv}:9: room is not a name of 1-64 characters`,
      `${csv}:10: the line is longer than 65536 characters`,
    ])
    expect(set.counts).toMatchObject({ lines: 10, used: 2, malformed: 8 })
  })

  it('counts every malformed row but keeps only the first 20 messages', () => {
    const set = read([HEADER, 's,0,r1,t,-60,ward', ...Array.from({ length: 500 }, () => 'what is this')])
    expect([set.problems.total, set.problems.first.length, set.counts.malformed]).toEqual([500, 20, 500])
  })

  it('keeps out powers of 0 dBm and more, 127 and -128', () => {
    const rows = [-59, 0, 42, 127, -128, -127.5].map((rssi, i) => `s,${i},r1,t,${rssi},ward`)
    const set = read([HEADER, ...rows])
    expect(set.rows.map(({ rssiDbm }) => rssiDbm)).toEqual([-59, -127.5])
    expect(set.counts).toMatchObject({ rssiOutOfRange: 4, malformed: 0 })
  })

  it('takes repeated rows as they are and counts times that step back', () => {
    const row = 's,500,r1,t,-60,ward'
    const set = read([HEADER, row, row, 's,400,r1,t,-60,ward', row])
    expect(set.rows.map(({ offsetMs }) => offsetMs)).toEqual([0, 0, 0, 0])
    expect(set.counts.stepsBack).toBe(1)
  })

  it('uses a reading whose room meta.json lacks, without that room', () => {
    const set = read([HEADER, 's,0,r1,t,-60,cellar', 's,1,r1,t,-60,ward'])
    expect(set.rows[0]).not.toHaveProperty('room')
    expect(set.counts.unknownRoom).toBe(1)
    expect(set.problems.first).toEqual([
      `${csv}:2: room "cellar" is not in meta.json; the reading is used, its truth is not`,
    ])
    expect(datasetTruth(set)).toHaveLength(1)
  })

  it('reads files with a byte order mark and CRLF', () => {
    expect(read([`\uFEFF${HEADER}\r`, 's,0,r1,t,-60,ward\r']).rows).toHaveLength(1)
  })
})

describe('a folder that is no data set', () => {
  it('is named with what is missing', () => {
    expect(failure(() => readDataset(join(folder, 'nowhere')))).toMatchObject({
      code: 'DATASET_UNREADABLE',
      message: expect.stringContaining(join('nowhere', 'meta.json')),
      next: expect.stringContaining('meta.json'),
    })
    read([HEADER, 's,0,r1,t,-60,ward'])
    rmSync(csv)
    expect(failure(() => readDataset(folder))).toMatchObject({
      code: 'DATASET_UNREADABLE',
      message: expect.stringContaining(csv),
    })
  })

  it('gets every problem of its meta.json at once', () => {
    const meta = { rooms: ['a', 'a', ''], receiver_room: { r1: 'b' }, receiver_xyz: { r1: [1, 2] } }
    const first = failure(() => read([], { meta }))
    expect(first.code).toBe('DATASET_INVALID')
    expect(first.message).toContain('rooms[2]')
    expect(first.message).toContain('receiver_xyz.r1')
    const second = failure(() => read([], { meta: { rooms: ['a', 'a'], receiver_room: { r1: 'b' } } }))
    expect(second.message).toContain('room "a" is named twice')
    expect(second.message).toContain('receiver_room.r1: room "b" is not in rooms')
    expect(failure(() => read([], { meta: '{' })).message).toContain('meta.json is not JSON')
  })

  it.each([
    ['without a header', ['s,0,r1,t,-60,ward'], 'lacks session, t_ms'],
    ['without one column', ['session,t_ms,receiver,tag,room'], 'lacks rssi'],
    ['empty', [''], 'lacks session'],
    ['without a usable row', [HEADER, 'x'], 'no usable row'],
  ])('is refused when its table is %s', (_, lines, words) => {
    expect(failure(() => read(lines))).toMatchObject({
      code: 'DATASET_INVALID',
      message: expect.stringContaining(words),
    })
  })

  it('is refused with a plain limit when it has too many rows', () => {
    const rows = Array.from({ length: 11 }, (_, i) => `s,${i},r1,t,-60,ward`)
    const { code, message } = failure(() => read([HEADER, ...rows], { maxRows: 10 }))
    expect([code, message]).toEqual(['DATASET_INVALID', `${csv} has more than 10 rows`])
  })
})

const DATA = resolve(
  fileURLToPath(new URL('../../../', import.meta.url)),
  process.env['BIOTRAKR_DATA'] ?? '../shared/data',
)
const skip = !existsSync(DATA)
// No package brings the recordings: a run that must not skip leaves them out unless it names their folder.
const mustRun = process.env['BIOTRAKR_REQUIRE_ALL'] === '1'
const isPart = !(skip && mustRun) || process.env['BIOTRAKR_DATA'] !== undefined

if (isPart)
  describe(`the public data sets (skipped unless BIOTRAKR_DATA names them; looked in ${DATA})`, () => {
    it.skipIf(skip && !mustRun).each([
      { name: 'kolakowski-flat', medium: 'BLE', rows: 4_314, rssi: 0, sessions: 1, durationMs: 352_000 },
      { name: 'danis-lab', medium: 'BLE', rows: 16_016, rssi: 2, sessions: 9, durationMs: 1_173_641 },
      { name: 'rfid-clinical-S1', medium: 'RFID', rows: 24_968, rssi: 0, sessions: 30, durationMs: 11_436_530 },
    ])('read $name whole', ({ name, medium, rows, rssi, sessions, durationMs }) => {
      const set = readDataset(join(DATA, name))
      expect([set.medium, set.rows.length, set.counts.rssiOutOfRange]).toEqual([medium, rows, rssi])
      expect([set.sessions.length, set.durationMs, set.problems.total]).toEqual([sessions, durationMs, 0])
      expect(datasetTruth(set)).toHaveLength(rows)
      expect(siteMapSchema.safeParse(datasetSiteMap(set)).success).toBe(true)
    })

    it.skipIf(skip && !mustRun)('read a survey with quoted session names', () => {
      const set = readDataset(join(DATA, 'danis-lab'), { part: 'train' })
      expect([set.rows.length, set.sessions.length, set.sessions[0]?.name]).toEqual([60_480, 126, 'set1:0.16,15.33'])
    })
  })
