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
      // Faults must have met records on their way, else this shows nothing.
      const { lost, repeated, reordered } = report.messages
      expect(report.movingCycles).toBeGreaterThan(5)
      expect(lost + repeated + reordered).toBeGreaterThan(0)
    },
    900_000,
  )
})
