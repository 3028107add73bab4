import { createWard } from '@biotrakr/sim'

import type { Figure } from './figure.ts'
import { CASES, engine, outsideSeen, prepare, type WardCase } from './ward-cases.ts'
import { bermuda, espresense, nearestFingerprint, roomAssistant, strongest } from './ward-peers.ts'
import { meanOf, quantile, runWard, type WardRun } from './ward-run.ts'

/** Fixed seeds; nothing is tuned on them. */
const SEEDS = Array.from({ length: 12 }, (_, i) => i + 1)
const TAGS = 1
/** Thirty stays of five minutes. */
const SECONDS = 9690
/** Cases in which the public rules answer as well: they take most of the time. */
const BESIDE_PEERS = new Set(['base', 'adverts every 4 s', '1 of 10 dead'])
const NAMES = ['told', 'likeliest', 'strongest', 'room-assistant', 'Bermuda', 'ESPresense', 'kNN'] as const

/** The simulated wards: our engine beside public rules, on the same windows. */
export function benchWards(say: (text: string) => void): Figure[] {
  return [...CASES.flatMap((wardCase) => measure(wardCase, say)), outside()]
}

function measure(wardCase: WardCase, say: (text: string) => void): Figure[] {
  const runs = SEEDS.map((seed) => {
    const { options, stops, surveyed } = prepare(wardCase, seed, TAGS)
    return runWard(
      options,
      (map) => {
        const own = engine(surveyed(map))
        const peers = [
          strongest(map),
          roomAssistant(map),
          bermuda(map),
          espresense(map),
          nearestFingerprint(map, stops),
        ]
        return [own.told, own.likeliest, ...(BESIDE_PEERS.has(wardCase.name) ? peers : [])]
      },
      { seconds: SECONDS, ...(wardCase.change && { change: wardCase.change }) },
    )
  })
  say(`${wardCase.name} (right at rest % / false changes per tag-hour / p50-p95 s / never %)`)
  for (const [i, name] of NAMES.entries()) {
    if (runs[0]?.[i] === undefined) continue
    say(`  ${name}: ${summary(runs.map((ward) => ward[i]).filter((run) => run !== undefined))}`)
  }
  const likeliest = runs.map((ward) => ward[1]).filter((run) => run !== undefined)
  const { right, changes, p95, never } = wardCase.goal
  const group = `ward: ${wardCase.name}`
  return [
    {
      group,
      name: 'right at rest',
      value: 100 * meanOf(likeliest, (run) => run.rightAtRest),
      unit: '%',
      goal: { atLeast: right },
    },
    {
      group,
      name: 'false changes',
      value: meanOf(likeliest, (run) => run.falseChanges),
      unit: 'per tag-hour',
      ...atMost(changes),
    },
    {
      group,
      name: 'found, p95',
      value: quantile(
        likeliest.flatMap((run) => run.latencies),
        0.95,
      ),
      unit: 's',
      ...atMost(p95),
    },
    {
      group,
      name: 'never right',
      value: 100 * meanOf(likeliest, (run) => run.never),
      unit: '% of stays',
      ...atMost(never),
    },
  ]
}

function atMost(goal: number | undefined): Pick<Figure, 'goal'> {
  return goal === undefined ? {} : { goal: { atMost: goal } }
}

function summary(runs: readonly WardRun[]): string {
  const waits = runs.flatMap((run) => run.latencies)
  const right = (100 * meanOf(runs, (run) => run.rightAtRest)).toFixed(1)
  const changes = meanOf(runs, (run) => run.falseChanges).toFixed(1)
  const never = (100 * meanOf(runs, (run) => run.never)).toFixed(1)
  return `${right} / ${changes} / ${quantile(waits, 0.5).toFixed(1)}-${quantile(waits, 0.95).toFixed(1)} / ${never}`
}

function outside(): Figure {
  const seen = SEEDS.map((seed) => {
    const { options, surveyed } = prepare({ name: 'outside', goal: { right: 90 } }, seed, TAGS)
    const map = surveyed(createWard(options).siteMap)
    return outsideSeen(map, options, 12)
  })
  const value = 100 * meanOf(seen, (share) => share)
  return {
    group: 'ward: outside behind a 12 dB wall',
    name: 'seen',
    value,
    unit: '% of seconds',
    goal: { atLeast: 90 },
  }
}
