import { performance } from 'node:perf_hooks'

import { BioTrakrError, explainError } from '@biotrakr/shared'

import type { Household } from './household.ts'
import { EXIT, launch } from './launcher.ts'
import { readOptions } from './options.ts'
import { StopRequest } from './stop-request.ts'

const CLI_ERRORS = new Set(['USAGE', 'DATASET_UNREADABLE', 'DATASET_INVALID'])

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (!options) return EXIT.ok
  let household: Household | undefined
  const request = new StopRequest(() => {
    household?.killAll()
    process.exit(EXIT.failed)
  })
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(name, () => request.bySignal(performance.now()))
  // Whoever read the output has gone, for example `head`.
  process.stdout.on('error', () => request.bySignal(performance.now()))
  return launch(options, {
    stop: request.signal,
    onHousehold: (started) => {
      household = started
    },
  })
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`biotrakr: ${explainError(error)}\n`)
  return error instanceof BioTrakrError && CLI_ERRORS.has(error.code) ? EXIT.usage : EXIT.failed
})
