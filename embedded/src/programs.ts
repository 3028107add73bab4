import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(import.meta.url)
/** From a bundle the other bundles are started; from source (tests, tsx) their sources, which need no build. */
const isBundle = here.endsWith('.js')

/** Root of the repository or installation: `<root>/embedded/{dist,src}/` holds this file. */
export const productRoot = join(dirname(here), '..', '..')

const PROGRAMS = {
  agent: ['agent/dist/main.js', 'agent/src/main.ts'],
  cloud: ['cloud/dist/main.js', 'cloud/src/main.ts'],
  broker: ['embedded/dist/broker.js', 'embedded/src/broker-process.ts'],
} as const
const LEASH = ['embedded/dist/leash.js', 'embedded/src/leash.ts'] as const

interface NodeProgram {
  /** Arguments for `process.execPath`. */
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** As in the agent's service: young garbage has 12 MB in place of 48 MB, and threads share one heap of the C library. */
const AGENT_FLAGS = ['--max-semi-space-size=4', '--heap-growing-percent=20']
const AGENT_ENV = { MALLOC_ARENA_MAX: '1' }

/** One of the product's own programs, on a leash: it ends when this process is gone. */
export function nodeProgram(name: keyof typeof PROGRAMS, args: readonly string[]): NodeProgram {
  const file = (pair: readonly [string, string]) => join(productRoot, pair[isBundle ? 0 : 1])
  const fromSource = isBundle ? [] : ['--conditions=biotrakr:source', '--import', 'tsx']
  const isAgent = name === 'agent'
  const flags = isAgent ? AGENT_FLAGS : []
  return {
    args: [...flags, ...fromSource, '--enable-source-maps', '--import', file(LEASH), file(PROGRAMS[name]), ...args],
    env: { BIOTRAKR_LAUNCHER: String(process.pid), ...(isAgent && AGENT_ENV) },
  }
}
