import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { ReceiverId, RoomId } from '@biotrakr/shared'
import { afterAll, describe, expect, it } from 'vitest'

import { evaluateDataset } from './evaluate.ts'
import { type Answered, scoreAnswers } from './evaluate-score.ts'

const dir = mkdtempSync(join(tmpdir(), 'evaluate-'))
afterAll(() => rmSync(dir, { recursive: true }))

/** A tag that goes to and fro between two rooms, 20 s in each; receivers a and b are 20 dB apart. */
function drive(name: string, minutes: number, shift = 0): void {
  const lines = ['session,t_ms,receiver,tag,rssi,room']
  for (let s = 0; s < minutes * 60; s++) {
    const room = Math.floor(s / 20) % 2 === 0 ? 'A' : 'B'
    const noise = ((s * 7) % 5) - 2
    lines.push(`one,${s * 1000},a,tag1,${(room === 'A' ? -55 : -75) + noise + shift},${room}`)
    lines.push(`one,${s * 1000 + 100},b,tag1,${(room === 'B' ? -55 : -75) - noise + shift},${room}`)
  }
  writeFileSync(join(dir, name), lines.join('\n'))
}

writeFileSync(join(dir, 'meta.json'), JSON.stringify({ rooms: ['A', 'B'], receiver_room: { a: 'A', b: 'B' } }))
drive('test.csv', 4)

describe('evaluate', () => {
  it('answers from the map alone where there is no survey, and better with one', () => {
    const alone = evaluateDataset(dir)
    expect(alone).toMatchObject({ ticks: 240, surveyTicks: 0 })
    expect(alone.accuracy).toBeGreaterThan(0.85)
    drive('survey.csv', 6)
    const surveyed = evaluateDataset(dir, { train: join(dir, 'survey.csv') })
    expect(surveyed.surveyTicks).toBe(360)
    expect(surveyed.accuracy).toBeGreaterThan(0.95)
    expect(surveyed.medianSeconds).toBeLessThanOrEqual(2)
    expect(surveyed.rooms.map(({ room }) => room)).toEqual(['A', 'B'])
  })

  it('stresses: another tag, a slower one, a receiver left out or dead', () => {
    const train = join(dir, 'survey.csv')
    const b = 'b' as ReceiverId
    expect(evaluateDataset(dir, { train, offsetDb: -10 }).accuracy).toBeGreaterThan(0.9)
    expect(evaluateDataset(dir, { train, keepEvery: 4 }).ticks).toBe(60)
    expect(evaluateDataset(dir, { train, mask: [b] }).accuracy).toBeGreaterThan(0.9)
    expect(evaluateDataset(dir, { train, dropAfter: { seconds: 60, receiver: b } }).accuracy).toBeGreaterThan(0.6)
  })
})

/** Two minutes in turns at 1 m and at 9 m, between receivers at 0 m and at 10 m; with the true places. */
function placedDrive(own: string): void {
  const receivers = { a: [0, 0, 2], b: [10, 0, 2] }
  const meta = { rooms: ['A', 'B'], receiver_room: { a: 'A', b: 'B' }, receiver_xyz: receivers }
  writeFileSync(join(own, 'meta.json'), JSON.stringify(meta))
  const near = { A: 'a', B: 'b' } as const
  const rows = Array.from({ length: 240 }, (_, n) => {
    const room = Math.floor(n / 60) % 2 === 0 ? 'A' : 'B'
    const receiver = n % 2 === 0 ? 'a' : 'b'
    return { room, text: `one,${Math.floor(n / 2) * 1000},${receiver},tag1,${receiver === near[room] ? -55 : -78}` }
  })
  const test = rows.map(({ room, text }) => `${text},${room}`)
  const truth = rows.map(({ room, text }) => `${text},${room === 'A' ? 1 : 9},0`)
  writeFileSync(join(own, 'test.csv'), ['session,t_ms,receiver,tag,rssi,room', ...test].join('\n'))
  writeFileSync(join(own, 'test_xy.csv'), ['session,t_ms,receiver,tag,rssi,x,y', ...truth, 'broken,row'].join('\n'))
}

describe('places', () => {
  it('are scored where a file beside the test drive says where the tag truly was', () => {
    expect(evaluateDataset(dir).position).toBeNull()
    const own = mkdtempSync(join(dir, 'places-'))
    placedDrive(own)
    const { position } = evaluateDataset(own)
    expect(position).toMatchObject({ ticks: 120, toldShare: 1 })
    expect(position?.meanMetres).toBeLessThan(2)
    expect(position?.withinRadius).toBeGreaterThan(0.8)
    expect(position?.p90Metres).toBeGreaterThanOrEqual(position?.medianMetres ?? 99)
  })
})

describe('the score', () => {
  const answer = (atMs: number, truth: string, likeliest: string | null): Answered => ({
    session: 's',
    atMs,
    truth: truth as RoomId,
    likeliest: likeliest as RoomId | null,
    confidence: 0.75,
    told: likeliest !== null,
  })

  it('counts right answers, rooms evenly, changes too many and seconds to the first right answer', () => {
    const answers = [
      answer(0, 'A', 'A'),
      answer(1000, 'A', 'B'),
      answer(2000, 'A', 'A'),
      answer(3000, 'B', 'A'),
      answer(4000, 'B', null),
      answer(5000, 'B', 'B'),
    ]
    const score = scoreAnswers(answers)
    expect(score).toMatchObject({ ticks: 6, accuracy: 0.5, medianSeconds: 2 })
    expect(score.unknownShare).toBeCloseTo(1 / 6)
    expect(score.accuracyWhenTold).toBeCloseTo(3 / 5)
    expect(score.macroF1).toBeCloseTo((2 / 3 + 2 / 5) / 2)
    expect(score.falseChangesPerHour).toBeCloseTo((4 - 1) * 600)
    expect(score.expectedCalibrationError).toBeCloseTo(0.25)
  })

  it('is of nothing where nothing was answered', () => {
    expect(scoreAnswers([])).toMatchObject({ ticks: 0, accuracy: 0, macroF1: 0, medianSeconds: null, rooms: [] })
  })
})
