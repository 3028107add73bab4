import { datasetTag, isReceiverId, type Reading, type TagId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import type { DatasetRow } from './dataset-rows.ts'
import { createDatasetSource } from './dataset-source.ts'
import { createManualClock, type ManualClock } from './manual-clock.ts'
import { scaledClock } from './scaled-clock.ts'

const NOON = 1_700_000_000_000

function tag(name: string): TagId {
  return datasetTag(name) as TagId
}

function row(offsetMs: number, name = 'a'): DatasetRow {
  const receiver = 'r1'
  if (!isReceiverId(receiver)) throw new Error('unreachable')
  return { offsetMs, receiver, tag: tag(name), rssiDbm: -60 }
}

function open(rows: readonly DatasetRow[], clock: ManualClock, startMs = NOON) {
  const heard: Reading[] = []
  const allow = new Set([tag('a')])
  const source = createDatasetSource({ name: 'set', rows, medium: 'BLE', clock, startMs, allow })
  const take = (reading: Reading) => void heard.push(reading)
  return { source, heard, take, times: () => heard.map(({ atMs }) => atMs - startMs) }
}

describe('a data set played as a source', () => {
  it('hands on each row once it is due, dated in the clock of its time, and then has finished', async () => {
    const clock = createManualClock(NOON)
    const { source, heard, take, times } = open([row(0), row(900), row(1_000), row(1_001), row(5_000)], clock)
    expect([source.receivers, source.status().state]).toEqual([['r1'], 'starting'])
    await source.start(take)
    expect(source.status()).toMatchObject({ state: 'up', readings: 0 })
    clock.advance(1_000)
    expect(times()).toEqual([0, 900, 1_000])
    expect(heard[0]).toEqual({ tag: 'dataset:a', receiver: 'r1', rssiDbm: -60, atMs: NOON, medium: 'BLE' })
    clock.advance(10_000)
    expect(times()).toEqual([0, 900, 1_000, 1_001, 5_000])
    expect(source.status()).toMatchObject({ state: 'finished', readings: 5, errors: 0, skipped: 0 })
  })

  it('does not play again what was past before a restart', async () => {
    const clock = createManualClock(NOON + 2_000)
    const { source, take, times } = open([row(0), row(1_999), row(2_000), row(2_500)], clock)
    await source.start(take)
    clock.advance(1_000)
    expect(times()).toEqual([2_000, 2_500])
    expect(source.status()).toMatchObject({ state: 'finished', skipped: 2, readings: 2 })
  })

  it('has finished at once when everything is past', async () => {
    const { source, take, heard } = open([row(0)], createManualClock(NOON + 60_000))
    await source.start(take)
    expect([source.status().state, heard]).toEqual(['finished', []])
  })

  it('counts tags that are not on the allow-list and never hands them on', async () => {
    const clock = createManualClock(NOON)
    const { source, take, heard } = open([row(0, 'b'), row(1), row(2, 'b')], clock)
    await source.start(take)
    clock.advance(3_000)
    expect(heard.map((reading) => reading.tag)).toEqual(['dataset:a'])
    expect(source.status()).toMatchObject({ notAllowed: 2, readings: 1, state: 'finished' })
  })

  it('waits when the clock steps back and catches up when it steps ahead, each row once and in order', async () => {
    const clock = createManualClock(NOON)
    const { source, take, times } = open([row(500), row(1_500), row(2_500), row(60_000), row(90_000)], clock)
    await source.start(take)
    clock.advance(2_000)
    clock.setWall(NOON - 3_600_000)
    clock.advance(5_000)
    expect(times()).toEqual([500, 1_500])
    clock.setWall(NOON + 70_000)
    clock.advance(1_000)
    expect(times()).toEqual([500, 1_500, 2_500, 60_000])
  })

  it('starts once and stops for good, however often it is told', async () => {
    const clock = createManualClock(NOON)
    const { source, take, heard } = open([row(500), row(1_500)], clock)
    await source.start(take)
    await source.start(take)
    clock.advance(1_000)
    expect(heard).toHaveLength(1)
    await source.stop()
    await source.stop()
    await source.start(take)
    clock.advance(60_000)
    expect([heard.length, source.status().state]).toEqual([1, 'finished'])
  })

  it('follows a scaled clock', async () => {
    const base = createManualClock()
    const clock = scaledClock(base, { speed: 60, eventStartMs: NOON, realStartMs: 0 })
    const heard: number[] = []
    const rows = [row(0), row(59_000), row(61_000)]
    const source = createDatasetSource({
      name: 'set',
      rows,
      medium: 'RFID',
      clock,
      startMs: NOON,
      allow: new Set([tag('a')]),
    })
    await source.start(({ atMs }) => heard.push(atMs - NOON))
    base.advance(1_000)
    expect(heard).toEqual([0, 59_000])
  })
})
