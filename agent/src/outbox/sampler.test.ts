import { describe, expect, it } from 'vitest'

import { createSampler, MAX_DICTIONARY_BYTES, type Sampler } from './sampler.ts'

function note(sampler: Sampler, groups: number, { raw, packed }: { raw: number; packed: number }): void {
  for (let n = 0; n < groups; n++) sampler.note(new Uint8Array(raw).fill(n), packed)
}

describe('the sampler of dictionaries', () => {
  it('waits for a few groups, and takes the newest ones, 16 kB at most', () => {
    const sampler = createSampler()
    note(sampler, 7, { raw: 7800, packed: 3600 })
    expect(sampler.due()).toBeUndefined()
    note(sampler, 1, { raw: 7800, packed: 3600 })
    expect(sampler.due()?.length).toBe(15_600)
    note(sampler, 9, { raw: 60_000, packed: 50_000 })
    expect(sampler.due()?.length).toBe(MAX_DICTIONARY_BYTES)
    expect(sampler.due()?.at(-1)).toBe(8)
  })

  it('waits longer where groups are small', () => {
    const sampler = createSampler()
    note(sampler, 60, { raw: 60, packed: 90 })
    expect(sampler.due()).toBeUndefined()
    note(sampler, 10, { raw: 60, packed: 90 })
    expect(sampler.due()?.length).toBe(4200)
  })

  it('proposes another when compression has become worse, and not before 512 KiB are stored', () => {
    const sampler = createSampler()
    note(sampler, 10, { raw: 7800, packed: 3600 })
    sampler.renewed()
    note(sampler, 100, { raw: 7800, packed: 1800 })
    expect(sampler.due()).toBeUndefined()
    note(sampler, 100, { raw: 7800, packed: 3000 })
    expect(sampler.due()).toBeUndefined()
    note(sampler, 100, { raw: 7800, packed: 3000 })
    expect(sampler.due()).toBeDefined()
    sampler.renewed()
    note(sampler, 300, { raw: 7800, packed: 1800 })
    expect(sampler.due()).toBeUndefined()
  })

  it('proposes another after 8 MiB in any case', () => {
    const sampler = createSampler()
    note(sampler, 10, { raw: 7800, packed: 3600 })
    sampler.renewed()
    note(sampler, 4600, { raw: 7800, packed: 1800 })
    expect(sampler.due()).toBeUndefined()
    note(sampler, 100, { raw: 7800, packed: 1800 })
    expect(sampler.due()).toBeDefined()
  })
})
