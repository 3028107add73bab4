import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { bleTag, type ReceiverId, type TagId } from '@biotrakr/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { type BleReport, replayBle, type Whose } from '../sources.ts'
import { openRecording } from './recording.ts'
import { createSniffBoard } from './sniff-board.ts'
import { createSniffView, type SniffPicture } from './sniff-view.ts'

const T0 = 1_760_000_000_000
const tag = bleTag('c30000123456') as TagId
const own: Whose = { tag, by: 'address', format: 'bthome-v2', telemetry: { batteryPercent: 71 }, urgent: false }
const phone: Whose = { unknown: 'apple' }

function report(atMs: number, { from = 'c30000123456', rssiDbm = -60, by = 'east' } = {}): BleReport {
  return {
    receiver: by as ReceiverId,
    address: Buffer.from(from, 'hex'),
    addressType: 'random',
    rssiDbm,
    bytes: Buffer.from('0201060416d2fc40', 'hex'),
    atMs: T0 + atMs,
  }
}

describe('what the sniffer shows', () => {
  it('is each own tag with its rate, and the adapter that hears it loudest', () => {
    const board = createSniffBoard(Buffer.alloc(32))
    for (let i = 0; i < 20; i++) {
      board.heard(report(i * 500, { rssiDbm: -60 }), own)
      board.heard(report(i * 500, { rssiDbm: -80, by: 'west' }), own)
    }
    expect(board.devices(T0 + 9_900)).toEqual([
      {
        who: tag,
        own: true,
        format: 'bthome-v2',
        receiver: 'east',
        rssiDbm: -60,
        perSecond: 4,
        silentMs: 400,
        says: { batteryPercent: 71 },
      },
    ])
    expect(board.devices(T0 + 60_000)[0]?.perSecond).toBe(0)
  })

  it('is of other people a class and a number, the same for the same phone and gone a minute later', () => {
    const board = createSniffBoard(Buffer.alloc(32))
    for (const from of ['5a1122334455', '5a1122334466', '5a1122334455']) board.heard(report(0, { from }), phone)
    const devices = board.devices(T0 + 100)
    expect(devices.map(({ who }) => who).sort()).toEqual(['apple #1', 'apple #2'])
    expect(JSON.stringify(devices)).not.toMatch(/5a:?11:?22/)
    expect(board.devices(T0 + 61_000)).toEqual([])
  })

  it('is bounded: of 10,000 phones the longest silent make room', () => {
    const board = createSniffBoard(Buffer.alloc(32))
    for (let n = 0; n < 10_000; n++) board.heard(report(0, { from: (0x5a00_0000_0000 + n).toString(16) }), phone)
    const devices = board.devices(T0)
    expect(devices).toHaveLength(4_096)
    expect(devices.at(-1)?.who).toBe('apple #10000')
  })
})

describe('how it is shown', () => {
  const picture: SniffPicture = {
    atMs: T0,
    adapters: ['east: scans (passive), 4.0 adverts/s'],
    strangers: { apple: 12, google: 30 },
    devices: [{ who: tag, own: true, format: 'x', receiver: 'east', rssiDbm: -60, perSecond: 4, silentMs: 400 }],
  }

  function shown(isTTY: boolean, json: boolean, pictures: readonly SniffPicture[]): string {
    let text = ''
    const write = (chunk: unknown) => {
      text += String(chunk)
      return true
    }
    const view = createSniffView({ isTTY, rows: 7, columns: 100, write }, json)
    for (const each of pictures) view.show(each)
    view.end()
    return text
  }

  it('draws a terminal anew and leaves it as it was, without more lines than it has', () => {
    const crowd = Array.from({ length: 50 }, () => picture.devices[0]!)
    const text = shown(true, false, [{ ...picture, devices: crowd }])
    expect(text).toContain('and 48 more')
    expect(text.split('\r\n').length).toBeLessThanOrEqual(7)
    expect(text.endsWith('\u001b[?1049l')).toBe(true)
  })

  it('gives a pipe plain lines every five seconds', () => {
    const text = shown(false, false, [picture, { ...picture, atMs: T0 + 1_000 }, { ...picture, atMs: T0 + 5_000 }])
    expect(text.match(/ble:c30000123456/g)).toHaveLength(2)
    expect(text).toContain('adverts of others: 30 google, 12 apple\n')
    expect(text).not.toContain('\u001b')
  })

  it('gives a program one JSON object a line', () => {
    const lines = shown(false, true, [picture, picture]).trim().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual([picture, picture])
  })
})

describe('a recording', () => {
  let dir: string
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'biotrakr-sniff-'))
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  it("holds own tags only, is its owner's alone, and is what replay reads", async () => {
    const path = join(dir, 'own.jsonl')
    const recording = openRecording(path, false)
    recording.take(report(0), own)
    recording.take(report(0, { from: '5a1122334455' }), phone)
    expect(await recording.close()).toEqual({ written: 1, dropped: 0 })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readFileSync(path, 'utf8')).not.toContain('5a:11')
    const counts = replayBle({ path, allow: new Set([tag]) })
    expect(counts).toMatchObject({ lines: 1, allowedByAddress: 1, readings: 1, malformedLines: { total: 0 } })
  })

  it('holds everybody where that was asked for', async () => {
    const path = join(dir, 'all.jsonl')
    const recording = openRecording(path, true)
    recording.take(report(0, { from: '5a1122334455' }), phone)
    await recording.close()
    expect(replayBle({ path, allow: new Set() })).toMatchObject({ lines: 1, classes: { 'bthome-v2': 1 } })
  })

  it('never writes over a file', () => {
    expect(() => openRecording(dir, false)).toThrow(/cannot write/)
  })
})
