import { parseArgs } from 'node:util'

import { type ChaosReport, runChaos } from './chaos.ts'

const HELP = `npm run chaos -- [--cycles N] [--seed N]

Runs the agent, mosquitto, two ingesters and PostgreSQL in a folder of their own, does N faults to them (1,000 unless
told), lets them settle, and compares the gateway's store with the database, id by id. Needs mosquitto and PostgreSQL.

Progress goes to standard error, the result as one JSON document to standard output. Exit code 1 when a record was lost
or is there twice, or the store is not whole.
`

process.exitCode = await main(process.argv.slice(2))

async function main(words: string[]): Promise<number> {
  const options = parse(words)
  if (!options) {
    process.stderr.write(HELP)
    return 2
  }
  const startMs = performance.now()
  const report = await runChaos({
    ...options,
    onCycle: (cycle, fault) => {
      const seconds = Math.round((performance.now() - startMs) / 1_000)
      process.stderr.write(`${String(cycle).padStart(5)} of ${options.cycles}  ${seconds} s  ${fault}\n`)
    },
  })
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`)
  return isGood(report) ? 0 : 1
}

function parse(words: string[]): { cycles: number; seed: number } | undefined {
  try {
    const { values } = parseArgs({ args: words, options: { cycles: { type: 'string' }, seed: { type: 'string' } } })
    const cycles = Number(values.cycles ?? 1_000)
    const seed = Number(values.seed ?? Date.now() % 1_000_000)
    const isValid = [cycles, seed].every((value) => Number.isSafeInteger(value) && value >= 1)
    return isValid ? { cycles, seed } : undefined
  } catch {
    return undefined
  }
}

function isGood({ lost, waiting, duplicated, gaps, quarantined, store }: ChaosReport): boolean {
  return lost + waiting + duplicated + gaps + quarantined === 0 && store === 'ok'
}
