import { BioTrakrError, isTagId, type TagId } from '@biotrakr/shared'
import type { Command } from 'commander'

import { readConfig } from '../config.ts'
import { type Explanation, explainByAgent, explainByStore, explainRecorded, type KeptFix } from '../explain.ts'
import { isAgentRunning } from '../survey-ear.ts'
import { explanationLines, keptLines } from './explain-view.ts'

interface ExplainOptions {
  readonly config?: string
  readonly at?: string
  readonly capture?: readonly string[]
  readonly json: boolean
}

/** `biotrakr explain TAG`: where a tag is said to be, and why. */
export function addExplainCommand(biotrakr: Command): void {
  biotrakr
    .command('explain')
    .description('why a tag is said to be where it is: from the running agent, from its store, or from a recording')
    .argument('<tag>', 'canonical identity, such as ble:c30000123456')
    .option(
      '-c, --config <file>',
      "the agent's configuration file (YAML): asks the agent, or its store when it is down",
    )
    .option('--at <time>', 'then instead of now: 2026-01-31T14:05:00Z; of a data set, seconds since its beginning')
    .option(
      '--capture <path...>',
      'captures of one run of biotrakr record in their order, or the folder of a data set, instead of an agent',
    )
    .option('--json', 'one JSON document instead of plain lines', false)
    .action(explain)
}

async function explain(tag: string, options: ExplainOptions): Promise<void> {
  if (!isTagId(tag)) throw usage('this is no tag identity', 'Write it as in ble:c30000123456.')
  const found = await ask(tag, options)
  if (!found) {
    const next = 'Check the identity and the time; a tag is known from when it is first heard.'
    throw new BioTrakrError('nothing is known of this tag then', { code: 'NOT_FOUND', next })
  }
  const isKept = Array.isArray(found)
  if (options.json) process.stdout.write(`${JSON.stringify(isKept ? { records: found } : found)}\n`)
  else process.stdout.write(`${(isKept ? keptLines(found) : explanationLines(found as Explanation)).join('\n')}\n`)
}

async function ask(tag: TagId, options: ExplainOptions): Promise<Explanation | readonly KeptFix[] | undefined> {
  const { config: file, at, capture } = options
  if (capture !== undefined) return explainRecorded(capture, { tag, atMs: at === undefined ? undefined : timeOf(at) })
  if (file === undefined) throw usage('nobody is named to ask', 'Add --config FILE of the agent, or --capture PATH.')
  const config = readConfig(file)
  if (at === undefined && (await isAgentRunning(config))) return explainByAgent(config, tag)
  const kept = explainByStore(config, { tag, atMs: at === undefined ? Number.MAX_SAFE_INTEGER : timeOf(at) })
  return kept.length > 0 ? kept : undefined
}

/** Wall milliseconds; of a plain number the seconds since the beginning of a data set. */
function timeOf(text: string): number {
  const value = /^\d{1,9}(?:\.\d{1,3})?$/.test(text) ? Number(text) * 1000 : Date.parse(text)
  if (Number.isFinite(value)) return value
  throw usage(`${text} is no time`, 'Write it as in 2026-01-31T14:05:00Z.')
}

function usage(message: string, next: string): BioTrakrError {
  return new BioTrakrError(message, { code: 'USAGE', next })
}
