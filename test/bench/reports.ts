import { reportDesk } from '@biotrakr/cloud'
import { askedOf, createTestWard } from '@biotrakr/cloud/test-ward'

import { type Figure, median } from './figure.ts'

const ASSETS = 50_000
const ROUNDS = 7
/** Far below the limit of 60 seconds after which a report is ended. */
const GOAL_MS = 2_000

/** All reports as the API runs them: as bt_api, in a transaction with a scope, row security in force. */
export async function benchReports(say: (text: string) => void): Promise<Figure[]> {
  const startMs = performance.now()
  const ward = await createTestWard(ASSETS)
  try {
    say(`${ASSETS} assets in ${Math.round((performance.now() - startMs) / 1_000)} s`)
    await ward.as((client) =>
      reportDesk.setParLevel(client, { facility: 'north', zone: 'stock', category: 'c1', low: 10 }),
    )
    const figures: Figure[] = []
    for (const { id, name } of reportDesk.list()) {
      const times: number[] = []
      for (let round = -1; round < ROUNDS; round++) {
        const beganMs = performance.now()
        await ward.as((client) => reportDesk.run(client, id, askedOf(id)))
        if (round >= 0) times.push(performance.now() - beganMs)
      }
      const group = `reports on ${ASSETS} assets as bt_api, median of ${ROUNDS}`
      figures.push({ group, name: `${id} ${name}`, value: median(times), unit: 'ms', goal: { atMost: GOAL_MS } })
    }
    return figures
  } finally {
    await ward.stop()
  }
}
