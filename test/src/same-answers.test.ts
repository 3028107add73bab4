import { createHash } from 'node:crypto'

import { createWard } from '@biotrakr/sim'
import { expect, it } from 'vitest'

import { createFilter } from '../../agent/src/filter/filter.ts'
import { emptyState, locate } from '../../agent/src/locate/locate.ts'

const T0 = 1_760_000_000_000
/** Of the answers below, evidence included. A change that is meant to change answers changes it, and says so. */
const DIGEST = '0acdfd6f6a58fb7e'

it('gives the very same answers on a simulated ward as it did before it was made faster', () => {
  const ward = createWard({ seed: 301, startMs: T0, tags: 6, stayMs: 60_000 })
  const filter = createFilter()
  const hash = createHash('sha256')
  let state = emptyState({ maxTags: 5 })
  for (let s = 1; s <= 300; s++) {
    const toMs = T0 + s * 1000
    for (const reading of ward.readingsBetween(toMs - 1000, toMs)) filter.add(reading)
    for (const window of filter.close(toMs).windows) {
      const next = locate(ward.siteMap, state, window)
      state = next.state
      const { evidence, ...rest } = next.located
      hash.update(JSON.stringify([rest, evidence && Buffer.from(evidence).toString('hex')]))
    }
  }
  expect(hash.digest('hex').slice(0, 16)).toBe(DIGEST)
})
