import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { hexOf } from './hex.ts'
import { numberMemoryCounters, tagNumber } from './number-memory.ts'

const numberHex = (bytes: Uint8Array, from: number, to: number) => tagNumber(bytes, from, to)?.text

describe('the hex of a tag number', () => {
  it('is that of its bytes, wherever they stand and whatever was read before', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(40), fc.nat(40), (bytes, one, other) => {
        const from = Math.min(one, other, bytes.length)
        const to = Math.min(Math.max(one, other), bytes.length)
        for (const _time of [1, 2]) {
          expect(numberHex(bytes, from, to)).toBe(to > from && to - from < 32 ? hexOf(bytes, from, to) : undefined)
        }
      }),
    )
  })

  it('stays right with more numbers than are remembered', () => {
    const numbers = Array.from({ length: 20_000 }, (_, n) => Uint8Array.of(0xe2, 0, n >> 8, n & 0xff))
    const wrong = [...numbers, ...numbers].filter((bytes) => numberHex(bytes, 0, 4) !== hexOf(bytes))
    expect(wrong).toEqual([])
  })

  it('tells a number from a longer one with the same beginning', () => {
    const bytes = new Uint8Array(31)
    for (let to = 1; to <= 31; to++) expect(numberHex(bytes, 0, to)).toHaveLength(2 * to)
  })

  it('counts what is remembered, what is not, and what had to be forgotten', () => {
    const before = { ...numberMemoryCounters }
    const numbers = Array.from({ length: 20_000 }, (_, n) => Uint8Array.of(0xe3, 0, n >> 8, n & 0xff))
    for (const bytes of numbers) numberHex(bytes, 0, 4)
    numberHex(numbers.at(-1) ?? new Uint8Array(4), 0, 4)
    const { hits, misses, evictions } = numberMemoryCounters
    expect({ hits: hits - before.hits, misses: misses - before.misses }).toEqual({ hits: 1, misses: 20_000 })
    expect(evictions - before.evictions).toBeGreaterThanOrEqual(20_000 - 4_096)
    expect(evictions).toBeLessThanOrEqual(misses)
  })
})
