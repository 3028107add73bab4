import { type ChildProcess, spawn } from 'node:child_process'
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

import { BioTrakrError, backoffMs, type Random } from '@biotrakr/shared'

import type { Account } from './account.ts'

/** One process of the product and how to run it. */
export interface ChildSpec {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly account?: Account
  readonly env?: Readonly<Record<string, string>>
  readonly logFile: string
  readonly pidFile: string
  /** Runs before every start: clears away what a killed run left. */
  readonly prepare?: () => Promise<void>
  /** True once the process serves; asked every 50 ms. */
  readonly ready: () => Promise<boolean>
  readonly readyWithinMs: number
  /** Asks the process to end in an orderly way. */
  readonly stopSignal: NodeJS.Signals
  /** After this time it is killed. */
  readonly stopWithinMs: number
}

export type ChildEvent =
  | { readonly kind: 'ready'; readonly child: string; readonly pid: number }
  | { readonly kind: 'died'; readonly child: string; readonly how: string; readonly retryMs: number }
  | { readonly kind: 'failed'; readonly child: string; readonly error: BioTrakrError }

export interface ChildOptions {
  readonly random: Random
  readonly onEvent: (event: ChildEvent) => void
  /**
   * Deaths in a row, each within two seconds of being ready, after which a process counts as broken; 6 unless told.
   * Infinity for processes that are killed on purpose.
   */
  readonly maxFailures?: number
}

const MAX_FAILURES = 6
/** A process that has served this long has stayed. */
const STEADY_MS = 2_000
const RETRY = { firstMs: 200, maxMs: 5_000 }
const MAX_LOG_BYTES = 16 * 1024 * 1024

/** Runs a process, starts it again with growing delays when it dies, and gives up when it does not stay. */
export class SupervisedChild {
  readonly name: string
  /** How often it had to be started again. */
  restarts = 0
  readonly #spec: ChildSpec
  readonly #options: ChildOptions
  readonly #stopping = new AbortController()
  #running: ChildProcess | undefined
  #loop: Promise<void> = Promise.resolve()
  /** Size of the log when this run began: what is before was said in another one. */
  #logFrom = 0

  constructor(spec: ChildSpec, options: ChildOptions) {
    this.name = spec.name
    this.#spec = spec
    this.#options = options
  }

  /** Resolves when the process serves. @throws BioTrakrError CHILD_FAILED when it keeps failing, or was stopped */
  start(): Promise<void> {
    this.#logFrom = existsSync(this.#spec.logFile) ? statSync(this.#spec.logFile).size : 0
    return new Promise((resolve, reject) => {
      let isReady = false
      const onReady = () => {
        isReady = true
        resolve()
      }
      const onFailure = (cause: unknown) => {
        const error = cause instanceof BioTrakrError ? cause : this.#gaveUp(String(cause))
        if (isReady) this.#options.onEvent({ kind: 'failed', child: this.name, error })
        else reject(error)
      }
      this.#loop = this.#keepAlive(onReady).then(() => {
        if (!isReady) reject(this.#gaveUp('was stopped while it started'))
      }, onFailure)
    })
  }

  /** Asks the process to end, kills it when it takes too long, and resolves when it has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#running?.kill(this.#spec.stopSignal)
    const patience = setTimeout(() => this.#running?.kill('SIGKILL'), this.#spec.stopWithinMs)
    await this.#loop
    clearTimeout(patience)
  }

  /** Kills the process at once: nobody waits any more. */
  kill(): void {
    this.#stopping.abort()
    this.#running?.kill('SIGKILL')
  }

  pid(): number | undefined {
    return this.#running?.pid
  }

  /** Keeps the log below its bound; what was there before goes to `.1`. */
  trimLog(): void {
    trimLog(this.#spec.logFile)
  }

  #gaveUp(how: string): BioTrakrError {
    const { logFile } = this.#spec
    const tail = lastLines(logFile, this.#logFrom)
    return new BioTrakrError(`${this.name} ${how}${tail ? `; its last words:\n${tail}\n` : ''}`, {
      code: 'CHILD_FAILED',
      next: `Its whole log is in ${logFile}.`,
    })
  }

  async #keepAlive(onReady: () => void): Promise<void> {
    const { signal } = this.#stopping
    for (let failures = 0; ; this.restarts++) {
      const life = await this.#liveOnce(onReady)
      if (signal.aborted) return
      failures = life.servedMs >= STEADY_MS ? 1 : failures + 1
      if (failures >= (this.#options.maxFailures ?? MAX_FAILURES)) throw this.#gaveUp(life.how)
      const retryMs = backoffMs(failures - 1, RETRY, this.#options.random)
      this.#options.onEvent({ kind: 'died', child: this.name, how: life.how, retryMs })
      await sleep(retryMs, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return
    }
  }

  /** One life of the process, from its start to its end. */
  async #liveOnce(onReady: () => void): Promise<Life> {
    const spec = this.#spec
    await spec.prepare?.()
    if (this.#stopping.signal.aborted) return { how: 'was not started', servedMs: 0 }
    const child = launch(spec)
    this.#running = child
    const ended = endOf(child)
    const first = await Promise.race([untilReady(spec, ended), ended])
    const readyAt = performance.now()
    if (first === 'ready') {
      this.#options.onEvent({ kind: 'ready', child: spec.name, pid: child.pid ?? 0 })
      onReady()
    } else child.kill('SIGKILL')
    const how = await ended
    this.#running = undefined
    rmSync(spec.pidFile, { force: true })
    if (first === 'ready') return { how, servedMs: performance.now() - readyAt }
    return { how: first === 'late' ? `was not ready within ${spec.readyWithinMs / 1000} s` : how, servedMs: 0 }
  }
}

async function untilReady(spec: ChildSpec, ended: Promise<string>): Promise<'ready' | 'late'> {
  let over = false
  void ended.then(() => {
    over = true
  })
  const deadline = performance.now() + spec.readyWithinMs
  while (!over && performance.now() < deadline) {
    if ((await spec.ready().catch(() => false)) && !over) return 'ready'
    await sleep(50)
  }
  return 'late'
}

interface Life {
  readonly how: string
  readonly servedMs: number
}

/**
 * The process gets a session of its own: Ctrl-C in a terminal reaches every process of the foreground group, and would
 * end them in any order. Its output goes straight to a file, which outlives this process.
 */
function launch(spec: ChildSpec): ChildProcess {
  trimLog(spec.logFile)
  const log = openSync(spec.logFile, 'a', 0o600)
  try {
    const child = spawn(spec.command, [...spec.args], {
      cwd: spec.cwd,
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...spec.env },
      ...(spec.account && { uid: spec.account.uid, gid: spec.account.gid }),
    })
    if (child.pid !== undefined) writeFileSync(spec.pidFile, `${child.pid}\n`, { mode: 0o600 })
    return child
  } finally {
    closeSync(log)
  }
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`could not be started: ${error.message}`))
    child.once('exit', (code, killer) => resolve(killer ? `was ended by ${killer}` : `ended with code ${code}`))
  })
}

function trimLog(file: string): void {
  if (!existsSync(file) || statSync(file).size <= MAX_LOG_BYTES) return
  copyFileSync(file, `${file}.1`)
  truncateSync(file)
}

const LAST_LINES = 12
const LAST_CHARACTERS = 4_096

/** @returns the last lines of what a file holds from a byte on, indented; from its beginning when it has been cut */
function lastLines(file: string, from: number): string {
  if (!existsSync(file)) return ''
  const bytes = readFileSync(file)
  const text = bytes.subarray(from > bytes.length ? 0 : from).toString('utf8')
  const lines = text.slice(-LAST_CHARACTERS).trimEnd().split('\n').slice(-LAST_LINES)
  return lines
    .map((line) => `  ${line}`.trimEnd())
    .join('\n')
    .trimEnd()
}
