import { BioTrakrError, type Fix, parseWhole, type SensorReading, siteMapSchema, type TagEvent } from '@biotrakr/shared'
import { z } from 'zod'

import { type CaptureEnd, openCapture } from './acquire/capture-read.ts'
import { type CaptureWriter, createCapture } from './acquire/capture-write.ts'
import { pipelineSettings } from './agent.ts'
import type { AgentConfig } from './config.ts'
import { createPipeline, type Pipeline, type PipelineSettings } from './pipeline.ts'
import { softwareVersion } from './version.ts'

export type { CaptureStatus, CaptureWriter } from './acquire/capture-write.ts'

const headerSchema = z.strictObject({
  software: z.string().max(64),
  gateway: z.string().max(64),
  /** Names the run, so that files of two runs are not taken for one. */
  run: z.string().max(64),
  /** Number of the file within the run, from 1. */
  file: z.int().min(1),
  startedMs: z.number(),
  settings: z.strictObject({
    siteMap: siteMapSchema,
    maxTags: z.int().min(1).max(1_000_000),
    floorDbm: z.number(),
    ledger: z.enum(['change', 'all']),
    keepAliveMs: z.number(),
  }),
})

interface RecordWish {
  readonly path: string
  readonly maxBytes: number
  readonly rotate?: number
  readonly config: AgentConfig
  readonly startedMs: number
  readonly run: string
}

/**
 * Begins a capture of a run. What is in it has passed the allow-list, as all readings have.
 * @throws BioTrakrError USAGE when the file is there already or cannot be made
 */
export function recordRun({ path, maxBytes, rotate, config, startedMs, run }: RecordWish): CaptureWriter {
  const header = {
    software: softwareVersion,
    gateway: config.gateway,
    run,
    startedMs,
    settings: pipelineSettings(config),
  }
  return createCapture({ path, maxBytes, header, ...(rotate !== undefined && { rotate }) })
}

/** What a pipeline said, in the order in which it did: `place` of every window, the rest as the ledger has it. */
export type Answer = { readonly as: 'place' | 'record'; readonly what: Fix | SensorReading | TagEvent }

export interface ReplaySummary {
  readonly gateway: string
  readonly software: string
  /** Wall milliseconds. */
  readonly startedMs: number
  readonly readings: number
  readonly places: number
  readonly records: number
  readonly end: CaptureEnd
  /** True when the files begin in the middle of a run: the first answers may be others than the run gave. */
  readonly beginsLate: boolean
}

/**
 * Runs captures of one run, in order, through the engine. The answers depend on the files alone.
 * @throws BioTrakrError CAPTURE_UNREADABLE
 */
export function* replayCaptures(paths: readonly string[]): Generator<Answer, ReplaySummary, void> {
  const { header, steps } = openRun(paths)
  const pipeline = createPipeline(header.settings as PipelineSettings)
  const counts = { readings: 0, places: 0, records: 0 }
  const end = yield* play(steps, pipeline, counts)
  const { gateway, software, startedMs, file } = header
  return { gateway, software, startedMs, ...counts, end, beginsLate: file > 1 }
}

/**
 * Captures of one run, in order, as one.
 * @throws BioTrakrError CAPTURE_UNREADABLE; when a file does not follow the one before it, once the steps come to it
 */
export function openRun(paths: readonly string[]) {
  const [path = '', ...others] = paths
  const { header, steps } = readHeader(path)
  return { header, steps: stepsOf(header, steps, others) }
}

type Steps = ReturnType<typeof openCapture>['steps']

function* stepsOf(
  first: { readonly run: string; readonly file: number },
  steps: Steps,
  others: readonly string[],
): Steps {
  let end = yield* steps
  for (const [n, other] of others.entries()) {
    const { header, steps: own } = readHeader(other)
    if (header.run !== first.run || header.file !== first.file + n + 1 || end !== 'whole') throw notNext(other)
    end = yield* own
  }
  return end
}

/** Opens a capture and checks what its run was like. @throws BioTrakrError CAPTURE_UNREADABLE */
export function readHeader(path: string) {
  const { header, steps } = openCapture(path)
  const next = 'Take a capture of this version of the program.'
  return { header: parseWhole(headerSchema, header, { origin: path, code: 'CAPTURE_UNREADABLE', next }), steps }
}

type Counts = { -readonly [name in 'readings' | 'places' | 'records']: number }

function* play(steps: Steps, pipeline: Pipeline, counts: Counts): Generator<Answer, CaptureEnd, void> {
  for (let next = steps.next(); ; next = steps.next()) {
    if (next.done) return next.value
    const step = next.value
    const answers =
      step.kind === 'reading'
        ? taken(pipeline.take(step.reading, step.nowMs))
        : closed(pipeline.close(step.nowMs, step.down))
    if (step.kind === 'reading') counts.readings += 1
    for (const answer of answers) {
      counts[answer.as === 'place' ? 'places' : 'records'] += 1
      yield answer
    }
  }
}

/** What a reading gave at once, as answers. */
export function taken(events: ReturnType<Pipeline['take']>): Answer[] {
  return events.map((what) => ({ as: 'record', what }))
}

/** What closing the windows gave, as answers. */
export function closed({ places, records, telemetry }: ReturnType<Pipeline['close']>): Answer[] {
  return [
    ...places.map((what): Answer => ({ as: 'place', what })),
    ...[...records, ...telemetry].map((what): Answer => ({ as: 'record', what })),
  ]
}

function notNext(path: string): BioTrakrError {
  return new BioTrakrError(`${path} does not follow the file before it`, {
    code: 'CAPTURE_UNREADABLE',
    next: 'Name the files of one run in their order: x, x.2, x.3. After a file that was cut off none follows.',
  })
}
