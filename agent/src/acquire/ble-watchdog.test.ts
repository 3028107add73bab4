import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { Watchdog, type WatchdogAction } from './ble-watchdog.ts'

interface Step {
  readonly atMs: number
  readonly action: WatchdogAction
}

/** An adapter that opens at once and then hears as told, asked once a second. */
function run(
  watchdog: Watchdog,
  { fromMs, untilMs, heard = () => 0 }: { fromMs: number; untilMs: number; heard?: (atMs: number) => number },
): Step[] {
  const steps: Step[] = []
  for (let atMs = fromMs; atMs < untilMs; atMs += 1_000) {
    for (let n = 0; n < heard(atMs); n++) watchdog.heard(atMs, false)
    const action = watchdog.due(atMs)
    if (!action) continue
    if (action !== 'open') steps.push({ atMs, action })
    if (action === 'powerCycle') watchdog.pause(atMs, 2_000)
    else {
      watchdog.opening(atMs)
      watchdog.listening(atMs)
    }
  }
  return steps
}

function busy(): Watchdog {
  const watchdog = new Watchdog({ hasReference: false })
  run(watchdog, { fromMs: 0, untilMs: 60_000, heard: () => 20 })
  return watchdog
}

describe('watchdog of an adapter', () => {
  it('restarts the scan after 10 s of silence on a busy floor, reopens at 30 s, power cycles at 60 s', () => {
    const steps = run(busy(), { fromMs: 60_000, untilMs: 1_500_000 })
    const silence = steps.map(({ atMs, action }) => [action, atMs - 59_000])
    expect(silence.slice(0, 3)).toEqual([
      ['restartScan', 10_000],
      ['reopen', 30_000],
      ['powerCycle', 60_000],
    ])
    const cycles = steps.filter(({ action }) => action === 'powerCycle').map(({ atMs }) => atMs)
    const pauses = cycles.slice(1).map((atMs, i) => atMs - (cycles[i] ?? 0))
    expect(pauses).toEqual([60_000, 120_000, 240_000, 300_000, 300_000, 300_000])
  })

  it('raises the alarm at 30 s of deafness and drops it with the first report', () => {
    const watchdog = busy()
    run(watchdog, { fromMs: 60_000, untilMs: 88_000 })
    expect(watchdog.status(88_000)).toMatchObject({ verdict: 'deaf', alarm: false })
    expect(watchdog.status(89_000)).toMatchObject({ verdict: 'deaf', alarm: true, silentMs: 30_000 })
    watchdog.heard(89_500, false)
    expect(watchdog.status(89_500)).toMatchObject({ verdict: 'ok', alarm: false })
  })

  it('leaves a quiet floor alone for ten of its own intervals, and never calls it deaf', () => {
    const watchdog = new Watchdog({ hasReference: false })
    run(watchdog, { fromMs: 0, untilMs: 600_000, heard: (atMs) => (atMs % 5_000 === 0 ? 1 : 0) })
    expect(watchdog.status(600_000).ratePerSecond).toBeCloseTo(0.2, 1)
    const steps = run(watchdog, { fromMs: 600_000, untilMs: 700_000 })
    expect(steps.map(({ action }) => action)).toEqual(['restartScan'])
    expect(steps[0]?.atMs).toBeGreaterThanOrEqual(640_000)
    expect(watchdog.status(700_000)).toMatchObject({ verdict: 'quiet', alarm: false })
  })

  it('with a reference beacon calls silence deaf from the start', () => {
    const watchdog = new Watchdog({ hasReference: true })
    const steps = run(watchdog, { fromMs: 0, untilMs: 45_000 })
    expect(steps.map(({ action }) => action)).toEqual(['restartScan', 'reopen'])
    expect(watchdog.status(45_000)).toMatchObject({ verdict: 'deaf', alarm: true })
  })

  it('tells a missing reference beacon from a deaf adapter', () => {
    const watchdog = new Watchdog({ hasReference: true })
    expect(run(watchdog, { fromMs: 0, untilMs: 120_000, heard: () => 1 })).toEqual([])
    expect(watchdog.status(120_000)).toMatchObject({ verdict: 'ok', reference: 'missing', alarm: false })
    watchdog.heard(120_000, true)
    expect(watchdog.status(121_000)).toMatchObject({ reference: 'heard' })
  })

  it('gives up an opening without an answer after 5 s, and doubles the pause up to its bound', () => {
    const watchdog = new Watchdog({ hasReference: false })
    const opened: number[] = []
    for (let atMs = 0; atMs < 1_600_000; atMs += 1_000) {
      const action = watchdog.due(atMs)
      if (action === 'open') {
        opened.push(atMs)
        watchdog.opening(atMs)
      } else if (action === 'giveUp') watchdog.failed(atMs)
    }
    const pauses = opened.slice(1).map((atMs, i) => atMs - (opened[i] ?? 0) - 5_000)
    expect(pauses.slice(0, 9)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000])
    expect(pauses.slice(9).every((ms) => ms === 300_000)).toBe(true)
    expect(watchdog.status(1_600_000)).toMatchObject({ alarm: true })
  })

  it('does not hold the time it was away against an adapter that is back', () => {
    const watchdog = busy()
    watchdog.failed(60_000, { longestMs: 5_000 })
    watchdog.opening(600_000)
    watchdog.listening(600_000)
    expect(watchdog.due(601_000)).toBeUndefined()
    expect(watchdog.status(601_000)).toMatchObject({ verdict: 'ok', silentMs: 1_000, alarm: false })
  })

  it('whatever is heard when: leaves an adapter alone that is heard every 9 s, and acts in bounded number', () => {
    const gaps = fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 60 })
    fc.assert(
      fc.property(gaps, fc.boolean(), (seconds, hasReference) => {
        const watchdog = new Watchdog({ hasReference })
        let atMs = 0
        for (const gap of seconds) {
          const steps = run(watchdog, { fromMs: atMs, untilMs: atMs + gap * 1_000 })
          if (gap <= 9) expect(steps.filter(({ atMs: at }) => at < atMs + 9_000 && at > atMs)).toEqual([])
          expect(steps.length).toBeLessThanOrEqual(8)
          atMs += gap * 1_000
          watchdog.heard(atMs, true)
        }
      }),
      { numRuns: 100 },
    )
  })
})
