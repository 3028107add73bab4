import { openProfiles } from '@biotrakr/agent'
import { createReader, type SimulatedReader } from '@biotrakr/sim'
import { describe, expect, it } from 'vitest'

import { seeded } from '../../fuzz/chance.ts'
import { randomTag } from '../../fuzz/frames.ts'
import { HOST_SESSIONS, REFUSED } from './host-sessions.ts'

const store = openProfiles()
const ANSWER_MS = 600

/** The reader that `biotrakr simulate reader` would be, and what it says within a moment to bytes from a host. */
function readerOf(profile: string): (sent: string) => string {
  const driver = store.load(profile)
  const random = seeded(7)
  const field = [randomTag(driver, random), randomTag(driver, random)]
  const reader: SimulatedReader = createReader(driver, {
    tags: () => field,
    readsPerSecond: 50,
    noise: 0,
    random,
  })
  let nowMs = 1_000
  reader.advance(nowMs)
  return (sent) => {
    const told = [...reader.receive(Buffer.from(sent, 'hex'), nowMs)]
    nowMs += ANSWER_MS
    told.push(...reader.advance(nowMs))
    return Buffer.concat(told).toString('hex')
  }
}

describe('the session of a foreign host', () => {
  it.each(HOST_SESSIONS)('with $profile is answered throughout: $host', ({ profile, exchanges }) => {
    const ask = readerOf(profile)
    for (const [sent, told] of exchanges) expect(`${sent}: ${ask(sent)}`).toMatch(new RegExp(`^${sent}: ${told}`))
  })

  const driven = store.ids.filter((id) => !store.isBuiltIn(id)).map((id) => store.load(id))
  it.each(driven)('with $id: each command in its published frames is understood', ({ document, reader }) => {
    const published = document.golden.filter(({ direction }) => direction === 'command')
    const known = published.map(({ hex }) => reader.decodeCommand(Buffer.from(hex.replaceAll(' ', ''), 'hex')))
    expect(known.filter((one) => one === undefined)).toEqual([])
  })
})

describe('a simulated reader refuses in its own protocol', () => {
  it.each(REFUSED)('$profile: $what', ({ profile, sent, told }) => {
    expect(readerOf(profile)(sent)).toBe(told)
  })

  it('and goes on as before', () => {
    const ask = readerOf('thingmagic-mercury')
    const region = 'ff00671d68'
    expect([ask('ff0197014bbc'), ask('ff0197634bde'), ask(region)]).toEqual([
      'ff00970000779e',
      'ff0097010b7695',
      'ff0167000001b480',
    ])
  })
})
