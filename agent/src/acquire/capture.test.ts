import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Reading, ReceiverId, TagId } from '@biotrakr/shared'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { type CaptureStep, lineOfStep, stepOfLine } from './capture-format.ts'
import { type CaptureEnd, openCapture } from './capture-read.ts'
import { createCapture } from './capture-write.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-capture-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const at = (name: string) => join(folder, name)

function reading(n: number): Reading {
  const tag = `ble:${n.toString(16).padStart(12, '0')}` as TagId
  return { tag, receiver: 'east' as ReceiverId, rssiDbm: -60, atMs: n, medium: 'BLE' }
}

function read(path: string): { steps: CaptureStep[]; end: CaptureEnd } {
  const { steps } = openCapture(path)
  const found: CaptureStep[] = []
  for (let next = steps.next(); ; next = steps.next()) {
    if (next.done) return { steps: found, end: next.value }
    found.push(next.value)
  }
}

describe('a step of a capture', () => {
  it('comes back as it was', () => {
    const extra = fc.record(
      {
        rssiDbm: fc.integer({ min: -127, max: -1 }),
        telemetry: fc.record({ pressed: fc.boolean(), pressCount: fc.nat(), temperatureC: fc.integer() }),
        rssiRaw: fc.nat(),
        phaseDeg: fc.nat(360),
        freqKHz: fc.nat(),
        readerTimeMs: fc.nat(),
      },
      { requiredKeys: [], noNullPrototype: true },
    )
    fc.assert(
      fc.property(fc.nat(), fc.nat(), extra, (n, nowMs, more) => {
        const { rssiDbm: _none, ...bare } = reading(n)
        const step: CaptureStep = { kind: 'reading', nowMs, reading: { ...bare, ...more } as Reading }
        expect(stepOfLine(lineOfStep(step))).toEqual(step)
        for (const down of [{}, { down: [bare.receiver] }]) {
          const close: CaptureStep = { kind: 'close', nowMs, ...down }
          expect(stepOfLine(lineOfStep(close))).toEqual(close)
        }
      }),
      { numRuns: 200 },
    )
  })

  it.each(['', '{', '[]', '["x",1]', '["c"]', '["c",null]', '["r",1,"nobody","east","BLE",1,-60]'])(
    'is none in %s',
    (line) => {
      expect(stepOfLine(line)).toBeUndefined()
    },
  )
})

describe('a capture file', () => {
  it('holds all steps in their order', () => {
    const capture = createCapture({ path: at('a'), header: { of: 'a test' }, maxBytes: 1_000_000 })
    for (let n = 0; n < 3_000; n++) {
      capture.took(reading(n), n)
      if (n % 100 === 99) capture.closed(n)
    }
    capture.end()
    capture.end()
    const { steps, end } = read(at('a'))
    expect([steps.length, end]).toEqual([3_030, 'whole'])
    expect(steps[0]).toEqual({ kind: 'reading', nowMs: 0, reading: reading(0) })
    expect(openCapture(at('a')).header).toEqual({ of: 'a test', file: 1 })
    expect(capture.status()).toMatchObject({ state: 'ended', readings: 3_000, closes: 30, dropped: 0, files: 1 })
  })

  it('ends when it is full, and counts what comes after', () => {
    const capture = createCapture({ path: at('a'), header: {}, maxBytes: 20_000 })
    for (let n = 0; n < 50_000; n++) capture.took(reading(n * 7_919), n)
    capture.end()
    const { state, dropped, bytes } = capture.status()
    expect(state).toBe('full')
    expect(statSync(at('a')).size).toBe(bytes)
    expect(bytes).toBeLessThanOrEqual(20_000)
    const { steps, end } = read(at('a'))
    expect([steps.length + dropped, end]).toEqual([50_000, 'whole'])
    expect(steps.length).toBeGreaterThan(500)
  })

  it('is followed by the next, and the oldest goes', () => {
    const capture = createCapture({ path: at('a'), header: {}, maxBytes: 40_000, rotate: 2 })
    for (let n = 0; n < 50_000; n++) capture.took(reading(n * 7_919), n)
    capture.end()
    const { files } = capture.status()
    expect(files).toBeGreaterThan(3)
    const kept = [...Array(files).keys()]
      .map((n) => (n === 0 ? 'a' : `a.${n + 1}`))
      .filter((name) => existsSync(at(name)))
    expect(kept).toEqual([`a.${files - 1}`, `a.${files}`])
    const [before, last] = kept.map((name) => read(at(name)))
    expect(last?.steps.at(-1)?.nowMs).toBe(49_999)
    expect(last?.steps[0]?.nowMs).toBe((before?.steps.at(-1)?.nowMs ?? 0) + 1)
  })

  it('that is none, of another version, or not there is refused with the next step', () => {
    writeFileSync(at('none'), 'something else')
    writeFileSync(at('later'), Buffer.from('BTCAP\x02', 'latin1'))
    for (const name of ['none', 'later', 'missing']) {
      expect(() => openCapture(at(name))).toThrow(expect.objectContaining({ code: 'CAPTURE_UNREADABLE' }))
    }
  })

  it('gives a true beginning of its steps wherever a byte of it is changed or it is cut off', () => {
    const capture = createCapture({ path: at('a'), header: {}, maxBytes: 1_000_000 })
    for (let n = 0; n < 40; n++) capture.closed(n)
    capture.end()
    const whole = readFileSync(at('a'))
    const steps = read(at('a')).steps
    for (let n = 0; n < whole.length; n++) {
      const changed = Buffer.from(whole)
      changed.writeUInt8(changed.readUInt8(n) ^ 0x55, n)
      for (const bytes of [changed, whole.subarray(0, n)]) {
        writeFileSync(at('b'), bytes)
        try {
          const found = read(at('b'))
          expect(found.steps).toEqual(steps.slice(0, found.steps.length))
          expect(found.end).not.toBe('whole')
        } catch (error) {
          expect(error).toMatchObject({ code: 'CAPTURE_UNREADABLE' })
        }
      }
    }
  })
})
