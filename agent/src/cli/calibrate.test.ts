import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'

import type { ReceiverId, SiteMap, TagId } from '@biotrakr/shared'
import { createSurveyWalk } from '@biotrakr/sim'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'

import { openJournal } from '../survey-journal.ts'
import { createSurveyEvents, type SurveyEvents } from './calibrate-events.ts'
import { loudestTag, tagNamed } from './calibrate-tag.ts'
import { openTerminal } from './calibrate-terminal.ts'
import { walkRooms } from './calibrate-walk.ts'
import { runCli } from './cli.ts'

const root = mkdtempSync(join(tmpdir(), 'calibrate-cli-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
afterEach(() => vi.restoreAllMocks())

const map: SiteMap = createSurveyWalk({ seed: 1, startMs: 0, tags: 1 }).siteMap
const mapFile = join(root, 'map.json')
writeFileSync(mapFile, JSON.stringify(map))
let count = 0
const newDir = () => join(root, String(count++))

async function calibrate(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', '']
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text)
    return true
  })
  const code = await runCli(['node', 'biotrakr', 'calibrate', ...words])
  vi.restoreAllMocks()
  return { code, out, err }
}

const site = (dir: string): string[] => ['--map', mapFile, '--dir', dir]

function bench() {
  const events = createSurveyEvents()
  const input = new PassThrough() as unknown as NodeJS.ReadStream
  const output = new PassThrough()
  let shown = ''
  output.on('data', (part: Buffer) => {
    shown += part.toString()
  })
  const opened = openTerminal({ onKey: events.key, input, output: output as unknown as NodeJS.WriteStream })
  const terminal = { ...opened, isKeyed: true }
  return { events, terminal, shown: () => shown }
}

const [a, b] = ['ble:c30000000001' as TagId, 'ble:c30000000002' as TagId]
let nowMs = 0

function hear(events: SurveyEvents, loud: Readonly<Record<TagId, number>>, seconds: number): void {
  for (let n = 0; n < seconds; n++) {
    nowMs += 1000
    const windows = Object.entries(loud).map(([tag, rssiDbm]) => ({
      tag: tag as TagId,
      atMs: nowMs,
      medium: 'BLE' as const,
      sightings: [{ receiver: 'rx-101' as ReceiverId, rssiDbm: rssiDbm + (n % 3) - 1, count: 1 }],
    }))
    events.second({ atMs: nowMs, windows })
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('the survey tag', () => {
  it('is the loudest by far, once the surveyor agrees', async () => {
    const { events, terminal, shown } = bench()
    const found = loudestTag({ events, terminal, tags: [a, b] })
    await settled()
    hear(events, { [a]: -35, [b]: -70 }, 6)
    await settled()
    events.key('enter')
    expect(await found).toBe(a)
    expect(shown()).toContain('The loudest tag is ble:c30000000001, -34 dBm at rx-101.')
  })

  it('is asked for by number when two are about equally loud', async () => {
    const { events, terminal, shown } = bench()
    const found = loudestTag({ events, terminal, tags: [a, b] })
    await settled()
    hear(events, { [a]: -50, [b]: -52 }, 6)
    await settled()
    for (const key of ['2', 'enter']) events.key(key)
    expect(await found).toBe(b)
    expect(shown()).toContain('Several tags are about equally loud')
  })

  it('is missed in plain words when nothing is heard for a minute', async () => {
    const { events, terminal } = bench()
    const found = loudestTag({ events, terminal, tags: [a] })
    const refused = expect(found).rejects.toThrow(/none of the 1 configured tags was heard for 60 s/)
    await settled()
    hear(events, {}, 60)
    await refused
  })

  it('is named by a part of its name that fits one tag only', () => {
    expect(tagNamed('0002', [a, b])).toBe(b)
    expect(() => tagNamed('c300', [a, b])).toThrow(/2 tags have "c300"/)
    expect(() => tagNamed('pump', [a, b])).toThrow(/no tag is called "pump"/)
  })
})

describe('the walk', () => {
  it('measures, undoes, skips, jumps to a room by name, drops what nobody hears, and stops where it is told', async () => {
    const { events, terminal, shown } = bench()
    const journal = openJournal(join(newDir(), 'survey.jsonl'))
    const rooms = map.rooms.map(({ id }) => id)
    const walk = walkRooms({ map, tag: a, journal, events, terminal, rooms })
    const press = async (...keys: string[]) => {
      for (const key of keys) {
        events.key(key)
        await settled()
      }
    }
    await settled()
    await press('enter')
    hear(events, { [a]: -60 }, 11)
    await settled()
    expect(journal.progress().places.map(({ room, seconds }) => [room, seconds.length])).toEqual([['101', 8]])
    await press('u')
    expect(journal.progress().places).toEqual([])
    await press('s', 'r', ...'108', 'enter')
    expect(shown()).toMatch(/Room 101 is skipped.*Room 102.*Room 108/s)
    await press('enter')
    hear(events, {}, 60)
    await settled()
    expect(shown()).toMatch(/no signal of ble:c30000000001 for 8 s.*Nothing was heard here: the place is dropped/s)
    await press('?', 'l', 'r', 'x', 'enter', 'q')
    expect(await walk).toBe(false)
    expect(shown()).toMatch(/The map has no room "x"/)
    expect(journal.progress()).toMatchObject({ places: [], skipped: new Set(['101']), broken: undefined })
    journal.close()
  })
})

describe('biotrakr calibrate', () => {
  it('makes a calibration without any survey, and says what it is worth', async () => {
    const dir = newDir()
    const fit = await calibrate('fit', ...site(dir))
    expect([fit.code, fit.out]).toEqual([0, expect.stringMatching(/^Version 1 .*0 places[\s\S]*the map alone speaks/)])
    const report = await calibrate('report', ...site(dir), '--require', '50')
    expect(report.code).toBe(3)
    expect(report.out).toMatch(/no room was surveyed[\s\S]*calibrate survey --room 101/)
    expect((await calibrate('drift', ...site(dir))).err).toMatch(/no survey to compare with/)
    expect((await calibrate('rollback', ...site(dir))).err).toMatch(/no earlier version/)
  })

  it('takes a recorded survey, exports it, and imports it elsewhere with the same content', async () => {
    const [here, there] = [newDir(), newDir()]
    const journal = openJournal(join(root, 'recorded.jsonl'))
    journal.begin({ atMs: 1, by: 'ann', tag: a, mapVersion: 1 })
    for (const room of ['101', '102'] as (typeof map.rooms)[number]['id'][]) {
      const id = journal.place({ room, name: 'bed', atMs: 1 })
      const sightings = [{ receiver: 'rx-101' as ReceiverId, rssiDbm: room === '101' ? -50 : -70, count: 1 }]
      journal.hearAll(Array.from({ length: 9 }, (_, n) => ({ atMs: n * 1000, sightings })))
      journal.done(id)
    }
    journal.close()
    expect((await calibrate('survey', ...site(here), '--replay', join(root, 'recorded.jsonl'))).out).toMatch(
      /^2 places/,
    )
    const fitted = JSON.parse((await calibrate('fit', ...site(here), '--json')).out)
    const file = join(root, 'calibration.json')
    expect((await calibrate('export', file, ...site(here))).code).toBe(0)
    expect((await calibrate('import', file, ...site(there))).out).toMatch(/^Version 1 is now what/)
    const [taken] = JSON.parse((await calibrate('versions', ...site(there), '--json')).out)
    expect([taken.hash, taken.isCurrent]).toEqual([fitted.hash, true])
  })

  it('checks the site map, and ends with 3 when a room can never be found', async () => {
    expect((await calibrate('lint', ...site(newDir()))).code).toBe(0)
    const lonely = join(root, 'lonely.json')
    writeFileSync(lonely, JSON.stringify({ ...map, rooms: [...map.rooms, { id: 'attic' }] }))
    const { code, out } = await calibrate('lint', '--map', lonely, '--dir', newDir())
    expect([code, out]).toEqual([3, expect.stringMatching(/^ERROR rooms\[10\]: .*attic[\s\S]* -> /m)])
  })

  it.each([
    [['fit'], 2, /which building\?/],
    [['fit', '--map', '/nowhere.json', '--dir', '/tmp'], 2, /cannot read \/nowhere\.json/],
    [['import', mapFile], 2, /is no calibration/],
    [['import', '/nowhere.json'], 2, /cannot read \/nowhere\.json/],
    [['survey', '--replay', mapFile], 2, /map\.json:|holds no survey/],
    [['survey', '--replay', '/nowhere'], 2, /cannot read \/nowhere/],
    [['survey'], 2, /nothing to listen with/],
    [['survey', '--room', 'attic', '--simulate', '1'], 1, /no room attic[\s\S]*Its rooms are 101/],
    [['survey', '--simulate', '1', '--curtain', '101/103'], 2, /no wall between 101 and 103/],
    [['report'], 1, /no calibration to report on/],
    [['export', '-'], 1, /no calibration yet/],
    [['diff', '1', '2'], 1, /no version 1/],
    [['rollback', '7'], 1, /no version 7/],
  ])('%j is refused with exit code %d and the next step', async (words, code, why) => {
    const named = words.includes('--map') || (words.length === 1 && words[0] === 'fit') ? [] : site(newDir())
    const { code: got, err } = await calibrate(...words, ...named)
    expect(err).toMatch(why)
    expect(got).toBe(code)
  })
})
