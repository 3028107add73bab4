import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Reading, ReceiverId, RoomId, TagId } from '@biotrakr/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { pipelineSettings } from './agent.ts'
import { type Answer, closed, type ReplaySummary, recordRun, replayCaptures, taken } from './capture.ts'
import type { AgentConfig } from './config.ts'
import { createPipeline } from './pipeline.ts'

const T0 = 1_792_000_000_000
const receivers = ['east', 'west'] as ReceiverId[]
const tags = Array.from({ length: 10 }, (_, n) => `ble:c300000000${(16 + n).toString(16)}` as TagId)
const config = {
  gateway: 'gw-capture',
  tags,
  filter: { floorDbm: -95 },
  records: { ledger: 'change', keepAliveSeconds: 300 },
  siteMapDocument: {
    version: 3,
    rooms: receivers.map((id) => ({ id: `Room ${id}` as RoomId, transit: false })),
    receivers: receivers.map((id) => ({ id, medium: 'BLE', room: `Room ${id}` as RoomId })),
    adjacency: [],
  },
} as unknown as AgentConfig

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-capture-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function replay(...names: string[]): { answers: Answer[]; summary: ReplaySummary } {
  const played = replayCaptures(names.map((name) => join(folder, name)))
  const answers: Answer[] = []
  for (let next = played.next(); ; next = played.next()) {
    if (next.done) return { answers, summary: next.value }
    answers.push(next.value)
  }
}

/** Two minutes of tags that change rooms, one of which is pressed now and then. @returns the answers as they were given */
function recordTwoMinutes(name: string, maxBytes: number, run = 'r1'): Answer[] {
  const path = join(folder, name)
  const capture = recordRun({ path, maxBytes, rotate: 100, config, startedMs: T0, run })
  const pipeline = createPipeline(pipelineSettings(config))
  const answers: Answer[] = []
  for (let second = 0; second < 120; second++) {
    for (const [n, tag] of tags.entries()) {
      const atMs = T0 + second * 1_000 + n * 30
      const near = (second + n * 7) % 60 < 30 ? 0 : 1
      const pressed = n === 0 && second % 20 === 10 ? { telemetry: { pressed: true, pressCount: second } } : {}
      const receiver = receivers[near] as ReceiverId
      const reading: Reading = {
        tag,
        receiver,
        rssiDbm: -50 - ((second * 31 + n * 17) % 20),
        atMs,
        medium: 'BLE',
        ...pressed,
      }
      capture.took(reading, atMs)
      answers.push(...taken(pipeline.take(reading, atMs)))
    }
    const down = second > 40 && second < 60 ? receivers.slice(1, 2) : []
    capture.closed(T0 + (second + 1) * 1_000, down)
    answers.push(...closed(pipeline.close(T0 + (second + 1) * 1_000, down)))
  }
  capture.end()
  return answers
}

describe('a run that was captured', () => {
  it('gives its answers again, presses among them, also from several files', () => {
    const given = recordTwoMinutes('a', 5_000)
    expect(given.filter(({ what }) => what.kind === 'event')).toHaveLength(6)
    const names = ['a', 'a.2', 'a.3', 'a.4', 'a.5', 'a.6', 'a.7', 'a.8', 'a.9']
    const whole = names.filter((_, n) => n < count(names))
    const { answers, summary } = replay(...whole)
    expect(answers).toEqual(given)
    expect(summary).toMatchObject({ end: 'whole', beginsLate: false, readings: 1_200, gateway: 'gw-capture' })
    expect(replay('a.2').summary.beginsLate).toBe(true)
  })

  it('takes no file of another run, and none out of its order', () => {
    recordTwoMinutes('a', 5_000)
    recordTwoMinutes('b', 5_000, 'r2')
    const refused = expect.objectContaining({
      code: 'CAPTURE_UNREADABLE',
      next: expect.stringContaining('x, x.2, x.3'),
    })
    expect(() => replay('a', 'b.2')).toThrow(refused)
    expect(() => replay('a', 'a.3')).toThrow(refused)
  })
})

/** How many of the files there are. */
function count(names: readonly string[]): number {
  for (const [n, name] of names.entries()) {
    try {
      replay(name)
    } catch {
      return n
    }
  }
  throw new Error('there are more files than this test expects')
}
