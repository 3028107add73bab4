import { type AssetHouse, withAssetHouse } from './asset-house.ts'
import { type Figure, median } from './figure.ts'

const ASSETS = 50_000
const ROUNDS = 25
const GOAL_MS = 50
const FIRST_HITS = 5
const WANTED_HITS = 0.95

/** Searching many assets as the API does: as bt_api, in a transaction with a scope, row security in force. */
export function benchAssets(say: (text: string) => void): Promise<Figure[]> {
  return withAssetHouse(ASSETS, async (house) => {
    const timed = await timeQueries(house)
    const executions = new Map<string, number>()
    for (const { what, input } of house.queries) executions.set(what, await medianOf(9, () => house.executionMs(input)))
    for (const [what, times] of timed) {
      say(
        `${what}: ${median(times).toFixed(1)} ms, of these ${executions.get(what)?.toFixed(1)} in the search function`,
      )
    }
    const all = [...timed.values()].flat()
    const slowest = Math.max(...[...timed.values()].map(median))
    const group = `search of ${ASSETS} assets as bt_api, ${house.queries.length} mixed queries`
    const goal = { atMost: GOAL_MS }
    return [
      { group, name: 'p50', value: quantile(all, 0.5), unit: 'ms' },
      { group, name: 'p95', value: quantile(all, 0.95), unit: 'ms', goal },
      { group, name: 'median of the slowest query', value: slowest, unit: 'ms', goal },
      { group, name: 'the same in the search function alone', value: Math.max(...executions.values()), unit: 'ms' },
      { group, name: 'words of the vocabulary', value: house.words.count, unit: '' },
      { group, name: 'gathering them', value: house.words.seconds, unit: 's' },
      await mended(house, group),
    ]
  })
}

async function timeQueries({ queries, search }: AssetHouse): Promise<ReadonlyMap<string, readonly number[]>> {
  const timed = new Map<string, number[]>()
  for (let round = -2; round < ROUNDS; round++) {
    for (const { what, input } of queries) {
      const startMs = performance.now()
      const { items } = await search(input)
      const ms = performance.now() - startMs
      if ((items.length === 0) !== what.startsWith('nothing')) throw new Error(`${what}: ${items.length} found`)
      if (round >= 0) timed.set(what, [...(timed.get(what) ?? []), ms])
    }
  }
  return timed
}

async function medianOf(times: number, measure: () => Promise<number>): Promise<number> {
  const values: number[] = []
  for (let i = 0; i < times; i++) values.push(await measure())
  return median(values)
}

function quantile(values: readonly number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN
}

/** For how many slips one of the first items holds what was meant. */
async function mended({ misspelt, search }: AssetHouse, group: string): Promise<Figure> {
  let found = 0
  for (const { typed, word } of misspelt) {
    const { items } = await search({ q: typed, limit: FIRST_HITS })
    if (items.some(({ name }) => name.toLowerCase().includes(word))) found++
  }
  const name = `${misspelt.length} misspelt words, the meant one in the first ${FIRST_HITS}`
  return { group, name, value: found / misspelt.length, unit: 'of 1', goal: { atLeast: WANTED_HITS } }
}
