import { describe, expect, it } from 'vitest'

import { lastDueMs, runDaily } from './daily.ts'

const at = (text: string) => Date.parse(`2026-03-${text}Z`)
const HALF_PAST_ONE = 90

describe('daily work', () => {
  it('is due at its minute of the UTC day, and until then was due the day before', () => {
    expect(lastDueMs(at('05T01:30:00'), HALF_PAST_ONE)).toBe(at('05T01:30:00'))
    expect(lastDueMs(at('05T01:29:59'), HALF_PAST_ONE)).toBe(at('04T01:30:00'))
    expect(lastDueMs(at('05T23:59:59'), HALF_PAST_ONE)).toBe(at('05T01:30:00'))
  })

  /** Lets the clock run in steps that the work asks for. */
  const play = async (from: number, until: number, { done, fails = 0 }: { done?: number; fails?: number }) => {
    const ran: string[] = []
    const stop = new AbortController()
    let [nowMs, last, left] = [from, done, fails]
    await runDaily({
      clock: { wallMs: () => nowMs },
      minuteOfDay: HALF_PAST_ONE,
      stop: stop.signal,
      wait: async (ms) => {
        nowMs += ms
        if (nowMs >= until) stop.abort()
      },
      lastDone: async () => last,
      run: async () => {
        ran.push(new Date(nowMs).toISOString().slice(8, 16))
        left -= 1
        if (left >= 0) return false
        last = nowMs
        return true
      },
    })
    return ran
  }

  it('is done once a day', async () => {
    const ran = await play(at('05T01:00:00'), at('08T00:00:00'), { done: at('04T01:30:05') })
    expect(ran).toEqual(['05T01:30', '06T01:30', '07T01:30'])
  })

  it('is done at once where it never was, or a day was missed', async () => {
    expect(await play(at('05T12:00:00'), at('06T01:00:00'), {})).toEqual(['05T12:00'])
    expect(await play(at('05T12:00:00'), at('06T01:00:00'), { done: at('03T01:30:00') })).toEqual(['05T12:00'])
  })

  it('is tried again half an hour after a failure', async () => {
    const ran = await play(at('05T01:30:00'), at('05T12:00:00'), { done: at('04T01:30:00'), fails: 2 })
    expect(ran).toEqual(['05T01:30', '05T02:00', '05T02:30'])
  })
})
