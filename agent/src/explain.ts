import { statSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'

import { BioTrakrError, type Fix, type TagId } from '@biotrakr/shared'

import { outboxPath } from './agent.ts'
import { askAgent } from './api-client.ts'
import { openRun } from './capture.ts'
import type { AgentConfig } from './config.ts'
import { trainOn } from './evaluate.ts'
import { decodeEvidence, type KeptEvidence } from './locate/evidence.ts'
import type { Explanation } from './locate/explain.ts'
import { nodeCompression } from './node-compression.ts'
import { readFixes } from './outbox/read-fixes.ts'
import { createPipeline, type Pipeline, type PipelineSettings } from './pipeline.ts'

export type { Explanation } from './locate/explain.ts'

/** A record of the ledger with what was kept of its reasons. */
export interface KeptFix {
  readonly fix: Omit<Fix, 'evidence'>
  readonly evidence: KeptEvidence | undefined
}

const ASK_MS = 5000
const MAX_ANSWER_BYTES = 1_000_000
const FIXES_TOLD = 5
/** A data set has no date: the seconds of its recording are those of 1970. */
const DATASET_START_MS = 0

/**
 * Asks the running agent.
 * @returns undefined when it has not heard the tag
 * @throws BioTrakrError AGENT_REFUSED
 */
export function explainByAgent(
  config: Pick<AgentConfig, 'api' | 'dataDir'>,
  tag: TagId,
): Promise<Explanation | undefined> {
  const path = `/explain?tag=${encodeURIComponent(tag)}`
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => reject(refused(cause))
    const onAnswer = (response: IncomingMessage): void => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        text += part
        if (text.length > MAX_ANSWER_BYTES) request.destroy(new Error('its answer is too long'))
      })
      response.on('error', fail)
      response.on('end', () => {
        if (response.statusCode === 404) resolve(undefined)
        else if (response.statusCode === 200) resolve(JSON.parse(text) as Explanation)
        else fail(new Error(`it answered ${response.statusCode}`))
      })
    }
    const request = askAgent(config, path, { timeoutMs: ASK_MS, onAnswer })
    request.on('timeout', () => request.destroy(new Error('it did not answer in time')))
    request.on('error', fail)
  })
}

function refused(cause: unknown): BioTrakrError {
  return new BioTrakrError('the agent did not explain itself', {
    code: 'AGENT_REFUSED',
    cause,
    next: 'Check that api.port and dataDir are those of the running agent, or ask its store with --at.',
  })
}

/**
 * What the agent's store holds of a tag at a time, newest first.
 * @throws BioTrakrError NOT_FOUND, OUTBOX_KEY, OUTBOX_SCHEMA or OUTBOX_DAMAGED
 */
export function explainByStore(
  { dataDir, outbox }: Pick<AgentConfig, 'dataDir' | 'outbox'>,
  { tag, atMs }: { readonly tag: TagId; readonly atMs: number },
): KeptFix[] {
  const keyFile = outbox.keyFile ?? join(dataDir, 'outbox.key')
  const wish = { path: outboxPath(dataDir), keyFile, compression: nodeCompression }
  return readFixes({ ...wish, tag, untilMs: atMs, limit: FIXES_TOLD }).map(({ evidence, ...fix }) => ({
    fix,
    evidence: evidence && decodeEvidence(evidence),
  }))
}

interface Recorded {
  readonly tag: TagId
  /** Wall milliseconds, of a data set since its beginning; undefined = at the end. */
  readonly atMs: number | undefined
}

/**
 * Runs captures of one run, or the test drive of a data set, up to a time and asks there.
 * @param paths the files in their order, or one folder
 * @returns undefined when the tag was not heard until then
 * @throws BioTrakrError CAPTURE_UNREADABLE, DATASET_UNREADABLE or DATASET_INVALID
 */
export function explainRecorded(paths: readonly string[], recorded: Recorded): Explanation | undefined {
  const [path = ''] = paths
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  return isFolder ? explainDataset(path, recorded) : explainCaptures(paths, recorded)
}

function explainCaptures(
  paths: readonly string[],
  { tag, atMs = Number.POSITIVE_INFINITY }: Recorded,
): Explanation | undefined {
  const { header, steps } = openRun(paths)
  const pipeline = createPipeline(header.settings as PipelineSettings)
  for (const step of steps) {
    if (step.nowMs > atMs) break
    if (step.kind === 'reading') pipeline.take(step.reading, step.nowMs)
    else pipeline.close(step.nowMs, step.down)
  }
  return pipeline.explain(tag)
}

function explainDataset(dir: string, { tag, atMs = Number.POSITIVE_INFINITY }: Recorded): Explanation | undefined {
  const { test, surveyed } = trainOn(dir)
  const settings = { maxTags: Math.max(1, test.tags.length), floorDbm: -128, ledger: 'all', keepAliveMs: 1000 } as const
  const pipeline: Pipeline = createPipeline({ siteMap: surveyed, ...settings })
  let closedMs = 0
  const closeUntil = (untilMs: number): void => {
    for (; closedMs + 1000 <= untilMs; closedMs += 1000) pipeline.close(DATASET_START_MS + closedMs + 1000)
  }
  for (const { offsetMs, tag: own, receiver, rssiDbm } of test.rows) {
    closeUntil(Math.min(offsetMs, atMs))
    if (offsetMs > atMs) break
    const reading = { tag: own, receiver, rssiDbm, atMs: DATASET_START_MS + offsetMs, medium: test.medium }
    pipeline.take(reading, reading.atMs)
  }
  closeUntil(Math.min(test.durationMs + 1000, atMs))
  return pipeline.explain(tag)
}
