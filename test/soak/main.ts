import { parseArgs } from 'node:util'

import { soak } from './soak.ts'

const HELP = `npm run soak -- [--speed N] [--hours N] [--tags N]

Lets a real agent live N simulated hours (24 unless told) at N times real speed (100 unless told) with N tags (4
unless told), beside a real broker, ingester and database, and watches its memory, handles and threads after the first hour.

Progress goes to standard error, the result as one JSON document to standard output. Exit code 1 when memory grew by more
than 5 %, handles or threads piled up, or a record was lost or is there twice.
`

process.exitCode = await main(process.argv.slice(2))

async function main(words: string[]): Promise<number> {
  const options = parse(words)
  if (!options) {
    process.stderr.write(HELP)
    return 2
  }
  let told = -1
  const report = await soak({
    ...options,
    onSample: ({ hour, rssMb, handles, threads }) => {
      if (Math.floor(hour * 2) === told) return
      told = Math.floor(hour * 2)
      const held = `${rssMb.toFixed(1)} MiB, ${handles} handles, ${threads} threads`
      process.stderr.write(`hour ${hour.toFixed(1)} of ${options.hours}: ${held}\n`)
    },
  })
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`)
  return report.isFlat && report.lost + report.duplicated === 0 ? 0 : 1
}

function parse(words: string[]): { speed: number; hours: number; tags: number } | undefined {
  const text = { type: 'string' } as const
  try {
    const { values } = parseArgs({ args: words, options: { speed: text, hours: text, tags: text } })
    const speed = Number(values.speed ?? 100)
    const hours = Number(values.hours ?? 24)
    const tags = Number(values.tags ?? 4)
    const isRight = speed >= 1 && speed <= 10_000 && hours > 0 && hours <= 24 * 30 && tags >= 1 && tags <= 10_000
    return isRight ? { speed, hours, tags } : undefined
  } catch {
    return undefined
  }
}
