import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { bleTag, ibeaconTag, type Reading, type TagId } from '@biotrakr/shared'
import { afterAll, describe, expect, it } from 'vitest'

import { createBleCaptureSource, replayBleCapture } from './ble-capture.ts'
import type { CaptureVerdict } from './ble-capture-tally.ts'
import { createManualClock } from './manual-clock.ts'

const folder = mkdtempSync(join(tmpdir(), 'biotrakr-capture-'))
const path = join(folder, 'capture.jsonl')
afterAll(() => rmSync(folder, { recursive: true }))

const PUMP = ibeaconTag('00112233-4455-6677-8899-aabbccddeeff', 1, 2) as TagId
const BED = bleTag('c3:00:00:12:34:56') as TagId

/** Stands for the decode stage: the first byte says which verdict. */
function decode(bytes: Uint8Array): CaptureVerdict {
  if (bytes[0] === 1) return { kind: 'identity', tag: PUMP }
  if (bytes[0] === 2) return { kind: 'malformed', why: 'broken' }
  return { kind: 'class', class: bytes.length === 0 ? 'empty' : 'other' }
}

function frame(fields: Record<string, unknown> = {}): string {
  const plain = { t_us: 1_000_000, chan: 37, rssi: -60, pdu: 0, addr: '6a:00:00:00:00:01', addrType: 'random', adv: '' }
  return JSON.stringify({ ...plain, ...fields })
}

function replay(lines: readonly string[], allow: ReadonlySet<TagId> = new Set([PUMP, BED])) {
  writeFileSync(path, lines.join('\n'))
  const readings: Reading[] = []
  const counts = replayBleCapture({ path, allow, decode, onReading: (reading) => readings.push(reading) })
  return { counts, readings }
}

describe('a BLE capture', () => {
  it('gives readings of allowed tags, by beacon identity or by address', () => {
    const { counts, readings } = replay([
      frame({ adv: '01', t_us: 1_588_358_358_747_914 }),
      frame({ addr: 'C3:00:00:12:34:56', pdu: 4, rssi: -71 }),
      frame({ addr: 'C3:00:00:12:34:56', pdu: 1 }),
      frame({ adv: 'ff' }),
    ])
    expect(readings).toEqual([
      { tag: PUMP, receiver: 'capture', rssiDbm: -60, atMs: 1_588_358_358_747, medium: 'BLE' },
      { tag: BED, receiver: 'capture', rssiDbm: -71, atMs: 1_000, medium: 'BLE' },
      { tag: BED, receiver: 'capture', rssiDbm: -60, atMs: 1_000, medium: 'BLE' },
    ])
    expect(counts).toMatchObject({
      lines: 4,
      frames: { ADV_IND: 2, SCAN_RSP: 1, ADV_DIRECT_IND: 1 },
      classes: { empty: 1, other: 1 },
      identified: { allowed: 1, notAllowed: 0 },
      allowedByAddress: 2,
      readings: 3,
      addresses: { count: 2, capped: false },
    })
  })

  it('tells nothing of other devices but how many there are', () => {
    const { counts, readings } = replay([frame({ adv: '01' }), frame({ adv: '02' }), frame({ addr: 'zz' })], new Set())
    expect(readings).toEqual([])
    expect(counts).toMatchObject({
      identified: { allowed: 0, notAllowed: 1 },
      malformedAdverts: { broken: 1 },
      addresses: { count: 1 },
    })
    expect(JSON.stringify(counts)).not.toMatch(/6a:00|6a00|00112233|zz/)
  })

  it('does not take a scanner or an initiator for a tag', () => {
    const addr = 'c3:00:00:12:34:56'
    const { counts, readings } = replay([frame({ addr, pdu: 3 }), frame({ addr, pdu: 5, adv: '01' })])
    expect(readings).toEqual([])
    expect(counts).toMatchObject({ frames: { SCAN_REQ: 1, CONNECT_IND: 1 }, classes: {}, addresses: { count: 0 } })
  })

  it('keeps out powers that are not available or not possible', () => {
    const { counts, readings } = replay([127, 0, 5, -128, -127].map((rssi) => frame({ adv: '01', rssi })))
    expect(readings.map(({ rssiDbm }) => rssiDbm)).toEqual([-127])
    expect(counts).toMatchObject({ rssiOutOfRange: 4, readings: 1, identified: { allowed: 5 } })
  })

  it('reports malformed lines by file and line and uses the rest', () => {
    const { counts } = replay([
      '{',
      frame({ adv: 'abc' }),
      frame({ pdu: 'ADV_IND' }),
      frame({ rssi: undefined }),
      '[]',
      '',
      'x'.repeat(70_000),
      frame(),
    ])
    expect(counts.malformedLines.total).toBe(6)
    expect(counts.malformedLines.first[0]).toBe(`${path}:1: is not JSON`)
    expect(counts.malformedLines.first[1]).toBe(`${path}:2: adv is not whole bytes in hex`)
    expect(counts.malformedLines.first[2]).toContain(`${path}:3: pdu`)
    expect(counts.malformedLines.first.at(-1)).toBe(`${path}:7: the line is longer than 65536 characters`)
    expect(counts).toMatchObject({ lines: 7, frames: { ADV_IND: 1 } })
  })

  it('is named when it cannot be read', () => {
    const missing = { path: join(folder, 'none'), allow: new Set<TagId>(), decode, onReading: () => undefined }
    expect(() => replayBleCapture(missing)).toThrow(expect.objectContaining({ code: 'CAPTURE_UNREADABLE' }))
  })
})

describe('a BLE capture played as a source', () => {
  it('plays from the given start; time that steps back in it stands still', async () => {
    writeFileSync(
      path,
      [9_000_000, 9_500_000, 9_200_000, 11_000_000].map((t_us) => frame({ t_us, adv: '01' })).join('\n'),
    )
    const clock = createManualClock(50_000)
    const times: number[] = []
    const source = createBleCaptureSource({
      name: 'capture',
      path,
      allow: new Set([PUMP]),
      decode,
      clock,
      startMs: 50_000,
    })
    await source.start(({ atMs }) => times.push(atMs))
    clock.advance(1_000)
    expect(times).toEqual([50_000, 50_500, 50_500])
    clock.advance(1_000)
    expect([times.at(-1), source.status().state, source.receivers]).toEqual([52_000, 'finished', ['capture']])
  })

  it('says why it failed when its file is not there', async () => {
    const source = createBleCaptureSource({
      name: 'capture',
      path: join(folder, 'none'),
      allow: new Set<TagId>(),
      decode,
      clock: createManualClock(),
      startMs: 0,
    })
    await expect(source.start(() => undefined)).rejects.toMatchObject({ code: 'CAPTURE_UNREADABLE' })
    expect(source.status()).toMatchObject({
      state: 'failed',
      errors: 1,
      detail: expect.stringContaining('cannot read'),
    })
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
  describe(`public sniffer captures (skipped unless BIOTRAKR_DATA names them; looked in ${DATA})`, () => {
    it.skipIf(skip && !mustRun).each([
      { file: 'wall_0', lines: 12_647, frames: { ADV_IND: 8_180, ADV_NONCONN_IND: 3_576, SCAN_RSP: 891 }, count: 30 },
      { file: 'anechoic_0', lines: 785, frames: { ADV_IND: 680, ADV_NONCONN_IND: 95, SCAN_RSP: 10 }, count: 9 },
    ])('read $file whole', ({ file, lines, frames, count }) => {
      const counts = replayBleCapture({
        path: join(DATA, 'ble-raw-mitll', `${file}.jsonl`),
        allow: new Set(),
        decode,
        onReading: () => undefined,
      })
      expect(counts).toMatchObject({ lines, frames, readings: 0, addresses: { count, capped: false } })
      expect(counts.malformedLines.total).toBe(0)
    })
  })
