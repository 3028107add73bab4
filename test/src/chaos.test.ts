import { describe, expect } from 'vitest'

import { runChaos } from '../chaos/chaos.ts'
import { hasMosquitto, itNeeding } from './needs.ts'

describe('agent, broker, two ingesters and PostgreSQL, all real', () => {
  itNeeding(hasMosquitto, 'mosquitto')(
    'lose and repeat no record under 50 faults: killed, stopped, cut off, half-open, lossy, repeated, reordered, slow',
    async () => {
      const report = await runChaos({ cycles: 50, seed: 20_261_120 })
      expect(report).toMatchObject({ lost: 0, lostRuns: [], duplicated: 0, waiting: 0, gaps: 0, quarantined: 0 })
      expect(report.store).toBe('ok')
      expect(report.committed).toBe(report.fixes)
      expect(report.fixes).toBeGreaterThan(1_000)
      // Most faults must have met records on their way, else this shows nothing.
      expect(report.movingCycles).toBeGreaterThan(10)
      expect(report.messages.lost).toBeGreaterThan(0)
    },
    900_000,
  )
})
