import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { ReceiverId } from './ids.ts'
import {
  formatEpoch,
  GAP_REASON,
  METHOD,
  parseEpoch,
  REASON,
  RECEIVER_STATE,
  SENSOR,
  seqSpan,
  TAG_EVENT,
} from './model.ts'

describe('epochs', () => {
  it('are read back from their text', () => {
    const nonce = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 16, maxLength: 16 })
    const epoch = fc.record({ counter: fc.integer({ min: 0, max: 9_999_999_999 }), nonce }, { noNullPrototype: true })
    fc.assert(
      fc.property(epoch, (drawn) => {
        expect(parseEpoch(formatEpoch(drawn))).toEqual(drawn)
      }),
    )
  })

  it.each([
    '',
    '1',
    '-0123456789abcdef',
    '1-0123456789ABCDEF',
    '1-0123456789abcde',
    '1-0123456789abcdef0',
    '01-0123456789abcdef',
    '+1-0123456789abcdef',
    '-1-0123456789abcdef',
    '1.5-0123456789abcdef',
    '12345678901-0123456789abcdef',
    ' 1-0123456789abcdef',
    '1-0123456789abcdef\n',
  ])('are not read from %j: one epoch has one text', (text) => {
    expect(parseEpoch(text)).toBeUndefined()
  })
})

describe('codes', () => {
  it.each(Object.entries({ METHOD, REASON, SENSOR, TAG_EVENT, RECEIVER_STATE, GAP_REASON }))(
    'of %s are given once and fit the database’s smallint',
    (_, codes) => {
      const values: number[] = Object.values(codes)
      expect(new Set(values).size).toBe(values.length)
      for (const value of values) expect(value).toSatisfy((code: number) => Number.isInteger(code) && code < 32_768)
    },
  )
})

describe('seqSpan', () => {
  it('is the count of a gap and 1 for any other record', () => {
    const receiver = 'r' as ReceiverId
    expect(seqSpan({ kind: 'gap', count: 7, reason: 'evicted', fromMs: 0, toMs: 1 })).toBe(7)
    expect(seqSpan({ kind: 'health', receiver, state: 'up', readings: 9, errors: 0, atMs: 1 })).toBe(1)
    expect(seqSpan({ kind: 'opaque', code: 9, bytes: new Uint8Array(3) })).toBe(1)
  })
})
