import { tagIdFromEpc } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { hexOf } from './hex.ts'
import { tagIdOfReport } from './tag-id.ts'
import { tagMemory } from './tag-memory.ts'

const SGTIN = '3074257BF7194E4000001A85'

describe('the identity of a reported tag', () => {
  it('is what its EPC says, the same the second time', () => {
    const first = tagIdOfReport({ epc: SGTIN, pc: '3000' })
    expect(first).toBe('epc:urn:epc:id:sgtin:0614141.812345.6789')
    expect(tagIdOfReport({ epc: SGTIN, pc: '3000' })).toBe(first)
  })

  it('follows the PC word, whatever the same EPC was called before', () => {
    expect(tagIdOfReport({ epc: SGTIN, pc: '3000' })).toMatch(/^epc:urn:/)
    expect(tagIdOfReport({ epc: SGTIN, pc: '31A1' })).toBe(`epc:${SGTIN.toLowerCase()}`)
    expect(tagIdOfReport({ epc: SGTIN })).toMatch(/^epc:urn:/)
  })

  it('follows the band, whatever the same number was called before', () => {
    expect(tagIdOfReport({ epc: '0A1B2C3D4E', band: 'lf' })).toBe('lf:0a1b2c3d4e')
    expect(tagIdOfReport({ epc: '0A1B2C3D4E', band: 'hf' })).toBe('hf:0a1b2c3d4e')
    expect(tagIdOfReport({ epc: '0A1B2C3D4E' })).toBe('epc:0a1b2c3d4e')
  })

  it('is none for what is no number, also the second time', () => {
    for (const _time of [1, 2]) expect(tagIdOfReport({ epc: 'XY' })).toBeUndefined()
  })

  it('stays right with more tags than are remembered', () => {
    const epcs = Array.from({ length: 10_000 }, (_, n) => hexOf(Uint8Array.of(0xaa, n >> 8, n & 0xff, 1)))
    const wrong = [...epcs, ...epcs].filter((epc) => tagIdOfReport({ epc }) !== tagIdFromEpc(epc)?.tag)
    expect(wrong).toEqual([])
  })

  it('counts what is remembered, what is not, and what had to be forgotten', () => {
    const { names } = tagMemory
    const before = { ...names }
    const epcs = Array.from({ length: 20_000 }, (_, n) => hexOf(Uint8Array.of(0xbb, n >> 8, n & 0xff, 1)))
    for (const epc of epcs) tagIdOfReport({ epc })
    for (const epc of epcs.slice(-4_096)) tagIdOfReport({ epc })
    expect(names.misses - before.misses).toBe(20_000)
    expect(names.hits - before.hits).toBe(4_096)
    // At least 4,096 and at most twice as many stay, of those before too.
    expect(names.evictions - before.evictions).toBeGreaterThanOrEqual(20_000 - 2 * 4_096)
    expect(names.evictions).toBeLessThanOrEqual(names.misses - 4_096)
  })
})
