import { createWard } from '@biotrakr/sim'

import type { Figure } from './figure.ts'
import { CASES, engine, falselyOutside, outsideSeen, prepare, type WardCase } from './ward-cases.ts'
import { bermuda, espresense, nearestFingerprint, roomAssistant, strongest } from './ward-peers.ts'
import { meanOf, quantile, runWard, type WardRun } from './ward-run.ts'

/** Fixed seeds; nothing is tuned on them. */
const SEEDS = Array.from({ length: 12 }, (_, i) => i + 1)
const TAGS = 1
/** Thirty stays of five minutes. */
const SECONDS = 9690
const NAMES = ['told', 'likeliest', 'strongest', 'room-assistant', 'Bermuda', 'ESPresense', 'kNN'] as const

/** The simulated wards: our engine beside public rules, on the same windows. */
export function benchWards(say: (text: string) => void): Figure[] {
  let base: number | undefined
  const figures = CASES.flatMap((wardCase) => {
    const own = measure(wardCase, { say, base })
    base ??= own[0]?.value
    return own
  })
  return [...figures, ...outside()]
}

interface Measuring {
  readonly say: (text: string) => void
  /** Right at rest in the first case, per cent. */
  readonly base: number | undefined
}

function measure(wardCase: WardCase, { say, base }: Measuring): Figure[] {
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
        return [own.told, own.likeliest, ...peers]
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
  const { belowBase, changes, p95, never } = wardCase.goal
  const right = belowBase === undefined || base === undefined ? wardCase.goal.right : base - belowBase
  const group = `ward: ${wardCase.name}`
  return [
    {
      group,
      name: 'right at rest',
      value: 100 * meanOf(likeliest, (run) => run.rightAtRest),
      unit: '%',
      ...(right !== undefined && { goal: { atLeast: right } }),
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

function outside(): Figure[] {
  const wards = SEEDS.map((seed) => {
    const { options, surveyed } = prepare({ name: 'outside', goal: {} }, seed, TAGS)
    const map = surveyed(createWard(options).siteMap)
    return { seen: outsideSeen(map, options, 12), wrongly: falselyOutside(map, options, SECONDS) }
  })
  const group = 'ward: outside behind a 12 dB wall'
  const unit = '% of seconds'
  return [
    { group, name: 'seen', value: 100 * meanOf(wards, ({ seen }) => seen), unit, goal: { atLeast: 90 } },
    {
      group,
      name: 'inside, yet so called',
      value: 100 * meanOf(wards, ({ wrongly }) => wrongly),
      unit,
      goal: { atMost: 0.05 },
    },
  ]
}
