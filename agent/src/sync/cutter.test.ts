import { decodeBatch } from '@biotrakr/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createCutter } from './cutter.ts'
import { arrayOutbox, compression } from './test-centre.ts'
import type { Position } from './window.ts'

describe('the cutter', () => {
  it('cuts every ledger into contiguous messages that fit, whatever the broker takes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 5_000 }), fc.integer({ min: 1, max: 1_500 }), (maxBytes, count) => {
        const cutter = createCutter(arrayOutbox(count), compression, 1_000)
        let cursor: Position | undefined
        let seen = 0
        for (;;) {
          const cut = cutter.next(cursor, maxBytes)
          if (cut.kind !== 'batch') {
            expect(cut.kind).toBe('nothing')
            break
          }
          expect(cut.first).toBe(seen + 1)
          expect(cut.bytes.length).toBeLessThanOrEqual(maxBytes)
          expect(decodeBatch(cut.bytes, compression)).toMatchObject({ ok: true, batch: { first: cut.first } })
          seen = cut.last
          cursor = { epoch: cut.epoch, seq: cut.last }
        }
        expect(seen).toBe(count)
      }),
      { numRuns: 50 },
    )
  })

  it('says so when one record alone does not fit', () => {
    const cutter = createCutter(arrayOutbox(10), compression, 1_000)
    expect(cutter.next(undefined, 20)).toMatchObject({ kind: 'too large' })
  })

  it('cuts larger again when records become small', () => {
    const cutter = createCutter(arrayOutbox(2_000), compression, 1_000)
    cutter.next(undefined, 400)
    const sizes = Array.from({ length: 40 }, () => {
      const cut = cutter.next(undefined, 250_000)
      return cut.kind === 'batch' ? cut.last : 0
    })
    expect(sizes[0]).toBeLessThan(1_000)
    expect(sizes.at(-1)).toBe(1_000)
  })
})
