import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { ReceiverId, RoomId, TagId } from '@biotrakr/shared'
import { afterAll, describe, expect, it } from 'vitest'

import { archiveJournal, journalFile, openJournal, readJournal } from './survey-journal.ts'
import { lockSurvey } from './survey-lock.ts'

const root = mkdtempSync(join(tmpdir(), 'survey-'))
afterAll(() => rmSync(root, { recursive: true }))
let count = 0
const newFile = () => journalFile(join(root, String(count++)))

const begin = { atMs: 1, by: 'ann', tag: 'ble:c2ffffffffff' as TagId, mapVersion: 1 }
const [one, two] = ['101' as RoomId, '102' as RoomId]
const second = (atMs: number) => ({ atMs, sightings: [{ receiver: 'rx' as ReceiverId, rssiDbm: -60, count: 1 }] })

function walk(file: string, rooms: readonly RoomId[]): void {
  const journal = openJournal(file)
  journal.begin(begin)
  rooms.forEach((room, n) => {
    const id = journal.place({ room, name: `place ${n}`, atMs: 10 * n })
    journal.heard(second(10 * n + 1))
    journal.heard(second(10 * n + 2))
    journal.done(id)
  })
  journal.close()
}

describe('the journal of a survey', () => {
  it('gives back after a restart what was finished', () => {
    const file = newFile()
    walk(file, [one, one, two])
    const { places, tag, broken } = readJournal(file)
    expect(places.map(({ room, name, seconds }) => [room, name, seconds.length])).toEqual([
      [one, 'place 0', 2],
      [one, 'place 1', 2],
      [two, 'place 2', 2],
    ])
    expect([tag, broken]).toEqual([begin.tag, undefined])
  })

  it('gives places different ids over restarts', () => {
    const file = newFile()
    walk(file, [one])
    walk(file, [one])
    expect(new Set(readJournal(file).places.map(({ id }) => id)).size).toBe(2)
  })

  it('survives a cut at every byte: finished places stay, the one under way is named', () => {
    const file = newFile()
    walk(file, [one, two])
    const whole = readFileSync(file)
    const firstDone = whole.indexOf('"done"')
    for (let bytes = 0; bytes <= whole.length; bytes += 3) {
      writeFileSync(file, whole.subarray(0, bytes))
      const journal = openJournal(file)
      const { places } = journal.progress()
      journal.begin(begin)
      journal.close()
      const again = readJournal(file)
      expect(again.places.length).toBe(places.length)
      expect(again.cutBytes).toBe(0)
      if (bytes < firstDone) expect(places.length).toBe(0)
    }
    writeFileSync(file, whole.subarray(0, whole.indexOf('"heard"', firstDone) + 2))
    expect(readJournal(file)).toMatchObject({ broken: { room: two, name: 'place 1' } })
    expect(readJournal(file).cutBytes).toBeGreaterThan(0)
  })

  it('refuses a damaged line in the middle, and says which', () => {
    const file = newFile()
    walk(file, [one])
    appendFileSync(file, 'nonsense\n{"kind":"skip","room":"101"}\n')
    expect(() => readJournal(file)).toThrow(/survey\.jsonl:6 is no line of a survey/)
  })

  it('undoes the last place, of a room or of all; forgets a room; remembers a skipped one until it is walked', () => {
    const file = newFile()
    walk(file, [one, one, two])
    const journal = openJournal(file)
    expect(journal.undo(one)?.name).toBe('place 1')
    expect(journal.undo()?.name).toBe('place 2')
    journal.skip(two)
    expect(journal.progress().skipped).toEqual(new Set([two]))
    journal.anew(one)
    expect(journal.progress().places).toEqual([])
    expect(journal.undo()).toBeUndefined()
    const id = journal.place({ room: two, name: 'bed', atMs: 5 })
    journal.done(id)
    journal.close()
    expect(readJournal(file).skipped.size).toBe(0)
  })

  it('is put aside once it is part of a version', () => {
    const file = newFile()
    walk(file, [one])
    archiveJournal(file, 3)
    expect(readJournal(file).places).toEqual([])
    expect(readJournal(file.replace('survey.jsonl', 'survey-of-v0003.jsonl')).places.length).toBe(1)
  })
})

describe('the lock of a survey', () => {
  it('keeps a second person out and says who is there', () => {
    const dir = join(root, 'locked')
    const release = lockSurvey(dir, { by: 'ann', nowMs: 0 })
    expect(() => lockSurvey(dir, { by: 'bob', nowMs: 1 })).toThrow(/ann \(process \d+ on .*since 1970-01-01 00:00 UTC/)
    release()
    lockSurvey(dir, { by: 'bob', nowMs: 1 })()
  })

  it('gives way when its process is gone, or when it is no lock at all', () => {
    const dir = join(root, 'stale')
    lockSurvey(dir, { by: 'ann', nowMs: 0 })()
    for (const text of ['{"pid":4194304,"host":"', '']) {
      const lock = text === '' ? text : `${text}${readHost()}"}`
      writeFileSync(join(dir, 'survey.lock'), lock)
      lockSurvey(dir, { by: 'bob', nowMs: 1 })()
    }
    writeFileSync(join(dir, 'survey.lock'), '{"pid":1,"host":"another","by":"eve","sinceMs":0}')
    expect(() => lockSurvey(dir, { by: 'bob', nowMs: 1 })).toThrow(/eve/)
  })
})

function readHost(): string {
  return readFileSync('/proc/sys/kernel/hostname', 'utf8').trim()
}
