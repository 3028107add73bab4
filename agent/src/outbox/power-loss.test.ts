import { describe, expect, it } from 'vitest'

import { canTrace, cutPower } from './power-loss.ts'

const runs = canTrace || process.env['BIOTRAKR_REQUIRE_ALL'] === '1'
const why = canTrace ? '' : ' [SKIPPED: recording file operations needs Linux and gcc]'

describe.skipIf(!runs)(`an outbox whose power is cut${why}`, () => {
  it.each([
    ['plain', 250],
    ['migration', 200],
    ['full', 50],
  ] as const)(
    'in its %s life is whole and has everything committed, in %i images',
    (life, images) => {
      const found = cutPower({ life, images, seed: 1 })
      expect(found).toEqual({ images, corrupt: 0, lost: 0, examples: [] })
    },
    240_000,
  )

  it.each(['NORMAL', 'OFF'] as const)(
    'would lose commits with synchronous = %s, and these tests would see it',
    (synchronous) => {
      const { corrupt, lost } = cutPower({ life: 'plain', images: 60, seed: 2, synchronous })
      expect(corrupt + lost).toBeGreaterThan(10)
    },
    240_000,
  )
})
