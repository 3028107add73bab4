import { setTimeout as sleep } from 'node:timers/promises'

import { inspectOutbox, outboxPath } from '@biotrakr/agent'
import { choosePort, storedEpochs, tallyLedger } from '@biotrakr/embedded'
import type { GatewayId } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'
import { describe, expect } from 'vitest'

import { hasMosquitto, itNeeding } from './needs.ts'
import { type Plant, startPlant } from './plant.ts'

const gateway = 'killed-gateway' as GatewayId
const VICTIMS = ['agent', 'broker', 'ingest', 'postgresql'] as const
const ROUNDS = 9
/** Between two kills: four of them then leave each process the five seconds after which it counts as steady. */
const GAP_MS = { least: 1_300, spread: 500 } as const

/** A generator of numbers in [0, 1) from a seed (Lehmer, Park and Miller 1988), so that a failure can be repeated. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item)
}

async function tally({ pool, folder }: Plant) {
  return tallyLedger(inspectOutbox(outboxPath(folder.at('agent'))).epochs, await storedEpochs(pool, gateway))
}

/** Waits until the database holds everything that the gateway's store has given a number. */
async function drained(plant: Plant): Promise<void> {
  for (;;) {
    const { waiting, lost } = await tally(plant).catch(() => ({ waiting: 1, lost: 0 }))
    if (waiting === 0 && lost === 0) return
    await sleep(250)
  }
}

describe('agent, broker, ingester and PostgreSQL, all real', () => {
  itNeeding(hasMosquitto, 'mosquitto')(
    'lose and repeat no record under 36 random kill -9',
    async () => {
      const startMs = Date.now()
      const ward = createWard({ seed: 7, startMs })
      const failures: string[] = []
      const plant = await startPlant({
        gateway,
        siteMap: ward.siteMap,
        tags: ward.tags,
        broker: 'mosquitto',
        onEvent: (event) => event.kind === 'failed' && failures.push(event.error.message),
      })
      try {
        const { port } = await choosePort(undefined)
        const sources = [{ kind: 'simulated', seed: 7, startMs, tags: ward.tags.length }]
        const settings = { sources, api: { port }, records: { ledger: 'all' } }
        const config = plant.agentConfig({ siteMap: ward.siteMap, tags: ward.tags, settings })
        const words = ['run', '--config', config, '--flush-seconds', '60']
        await plant.startProgram('agent', { bundle: 'agent', words, port })
        const random = seeded(20_261_120)
        let kills = 0
        for (let round = 0; round < ROUNDS; round++) {
          for (const victim of shuffled(VICTIMS, random)) {
            await sleep(GAP_MS.least + random() * GAP_MS.spread)
            if (plant.signal(victim, 'SIGKILL')) kills += 1
          }
        }
        // A fresh agent connects at once; one that saw its broker die nine times may wait a minute.
        await sleep(6_000)
        plant.signal('agent', 'SIGKILL')
        await plant.allReady()
        await drained(plant)
        await plant.household.stop('agent')
        const result = await tally(plant)
        expect(failures).toEqual([])
        expect(kills).toBeGreaterThanOrEqual(30)
        expect(result).toMatchObject({ lost: 0, duplicated: 0, waiting: 0, gaps: 0, quarantined: 0 })
        expect(result.committed).toBe(result.fixes)
        expect(result.fixes).toBeGreaterThan(200)
      } finally {
        await plant.stop()
      }
    },
    300_000,
  )
})
