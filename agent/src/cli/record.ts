import { randomBytes } from 'node:crypto'

import { BioTrakrError, type TagId } from '@biotrakr/shared'
import { type Command, InvalidArgumentError } from 'commander'
import { pino } from 'pino'

import { pipelineSettings } from '../agent.ts'
import { type Answer, type CaptureStatus, type CaptureWriter, closed, recordRun, taken } from '../capture.ts'
import { type AgentConfig, readConfig } from '../config.ts'
import { createPipeline, WINDOW_MS } from '../pipeline.ts'
import { receiversDown } from '../receivers-down.ts'
import { type Source, scaledClock } from '../sources.ts'
import { systemClock } from '../system-clock.ts'
import { createAnswerWriter } from './answer-lines.ts'
import { openSources } from './open-source.ts'
import { askedToStop } from './stop-request.ts'

interface RecordOptions {
  readonly config: string
  readonly out: string
  readonly for?: number
  readonly maxMegabytes: number
  readonly keepFiles?: number
  readonly answers: boolean
}

const MEGABYTE = 1_048_576

export function addRecordCommand(biotrakr: Command, exitWith: (code: number) => void): void {
  biotrakr
    .command('record')
    .description("write what the configured sources hear of the site's tags to a capture; nothing is stored or sent")
    .requiredOption('-c, --config <file>', 'configuration file of the agent (YAML)')
    .requiredOption('-o, --out <file>', 'a file that is not there yet; a full one is followed by FILE.2 and so on')
    .option('--for <seconds>', 'stop after so many seconds; without it at Ctrl-C or at the end of a recording', count)
    .option('--max-megabytes <n>', 'most megabytes of one file', megabytes, 256)
    .option('--keep-files <n>', 'keep so many files, the oldest goes; without it a full file is the end', count)
    .option('--answers', 'print every answer as a JSON line, as biotrakr replay does', false)
    .action(async (options: RecordOptions) => exitWith(await record(options)))
}

/** Begins the capture that a command line asks for. @throws BioTrakrError USAGE */
export function openCaptureOf(
  config: AgentConfig,
  wish: { readonly path: string; readonly megabytes: number; readonly files?: number | undefined },
  startedMs: number,
): CaptureWriter {
  const { path, megabytes: most, files } = wish
  const run = randomBytes(8).toString('hex')
  return recordRun({ path, maxBytes: most * MEGABYTE, config, startedMs, run, ...(files && { rotate: files }) })
}

async function record(options: RecordOptions): Promise<number> {
  const config = readConfig(options.config)
  const log = pino(
    { name: 'biotrakr', level: config.log.level, base: { gateway: config.gateway } },
    pino.destination(2),
  )
  const clock = config.time ? scaledClock(systemClock, config.time) : systemClock
  const startMs = config.time?.eventStartMs ?? clock.wallMs()
  const parts = { clock, allow: new Set<TagId>(config.tags), tags: config.tags, random: Math.random, log, startMs }
  const sources = openSources(config.sources, parts)
  const wish = { path: options.out, megabytes: options.maxMegabytes, files: options.keepFiles }
  const capture = openCaptureOf(config, wish, clock.wallMs())
  const pipeline = createPipeline(pipelineSettings(config))
  const out = createAnswerWriter(process.stdout)
  const tell = (answers: readonly Answer[]) => {
    if (options.answers) for (const answer of answers) void out.write(answer)
  }
  const close = () => {
    const nowMs = clock.wallMs()
    const down = receiversDown(sources)
    capture.closed(nowMs, down)
    tell(closed(pipeline.close(nowMs, down)))
  }
  for (const source of sources) {
    await source.start((reading) => {
      const nowMs = clock.wallMs()
      capture.took(reading, nowMs)
      tell(taken(pipeline.take(reading, nowMs)))
    })
  }
  const timer = clock.every(WINDOW_MS, close)
  await enough({ sources, capture, seconds: options.for })
  for (const source of sources) await source.stop()
  timer.cancel()
  close()
  capture.end()
  await out.end()
  return conclude(capture.status())
}

interface Enough {
  readonly sources: readonly Source[]
  readonly capture: CaptureWriter
  readonly seconds: number | undefined
}

/** Settles when somebody asks, when the time is over, when there is nothing more to hear, or no more room for it. */
async function enough({ sources, capture, seconds }: Enough): Promise<void> {
  await new Promise<void>((resolve) => {
    const isOver = () =>
      capture.status().state !== 'writing' || sources.every((source) => source.status().state === 'finished')
    const look = systemClock.every(100, () => isOver() && done())
    const end = seconds === undefined ? undefined : systemClock.after(seconds * 1_000, () => done())
    const done = () => {
      look.cancel()
      end?.cancel()
      resolve()
    }
    void askedToStop({ onStdinEnd: false }).then(done)
  })
}

function conclude({ state, readings, bytes, files, dropped, failure }: CaptureStatus): number {
  process.stderr.write(`${readings} readings, ${bytes} bytes in ${files} ${files === 1 ? 'file' : 'files'}\n`)
  if (state === 'full') process.stderr.write('the file is full: the capture ends there\n')
  if (state !== 'failed') return 0
  throw new BioTrakrError(`the capture could not be written on, ${dropped} steps are missing: ${failure}`, {
    code: 'CAPTURE_UNWRITABLE',
    next: 'Make room on the disk. What was written can be replayed.',
  })
}

export function megabytes(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= 100_000) return value
  throw new InvalidArgumentError('must be 1 to 100000 megabytes')
}

export function count(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= 1_000_000) return value
  throw new InvalidArgumentError('must be a whole number from 1')
}

export function oneOf<T extends string>(words: readonly T[]): (text: string) => T {
  return (text) => {
    const word = words.find((one) => one === text)
    if (word === undefined) throw new InvalidArgumentError(`must be ${words.join(' or ')}`)
    return word
  }
}
