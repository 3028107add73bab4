import {
  backoffMs,
  type Clock,
  type Compression,
  type Epoch,
  encodeBatch,
  formatEpoch,
  type GatewayId,
  type Hello,
  type Random,
  seqSpan,
  type Timer,
} from '@biotrakr/shared'
import type { ClientBase, Pool } from 'pg'
import type { Logger } from 'pino'

import { createDirectory } from './directory.ts'
import { createWriters } from './draft.ts'
import { faultOf, messageOf, sqlState, TROUBLE_NEXT, type Trouble, troubleOf } from './faults.ts'
import { type Greeting, greet } from './greeting.ts'
import { createNewestKnown } from './positions.ts'
import { isFromEarlierOpening, type SecurityNote, writeSecurityNote } from './security-note.ts'
import { withClient } from './session.ts'
import { commitRuns, type Outcome, type Run, type Tally } from './transaction.ts'
import { insertQuarantine } from './write-draft.ts'

interface Options {
  /** Logged in as bt_ingest. One connection records, a second one answers hellos and keeps strays. */
  readonly pool: Pool
  readonly clock: Clock
  readonly random: Random
  readonly compression: Compression
  readonly log: Logger
  /** Told of every commit. */
  readonly onCommit: (tally: Tally, transactionMs: number) => void
}

interface StrayRow {
  readonly gateway: GatewayId
  readonly code: string
  readonly detail: string
  readonly bytes: Uint8Array
}

export interface RecorderStatus {
  /** Open while the database is not to be had: attempts are then made only after a back-off. */
  readonly breaker: 'closed' | 'open'
  /** Failures since the last commit. */
  readonly failures: number
  readonly lastError: string | undefined
  /** What is wrong just now, in a stable word, and what to do about it; undefined while transactions succeed. */
  readonly fault: { readonly kind: Trouble; readonly sinceMs: number; readonly next: string } | undefined
  /** Transactions repeated by halves because the database refused something in them. */
  readonly bisected: number
}

export interface Recorder<R extends Run> {
  /**
   * Records a set and says what became of each run. Waits out a database that is away for as long as that takes.
   * @returns undefined when the recorder was stopped before the set was committed
   */
  record(runs: readonly R[]): Promise<readonly Outcome<R>[] | undefined>
  /** Answer to a hello; undefined when it is not to be answered. */
  greet(gateway: GatewayId, hello: Hello): Promise<Greeting | undefined>
  /** Keeps evidence of bytes that cannot be recorded. @returns false when the gateway is not known */
  keepStray(stray: StrayRow): Promise<boolean>
  /** Puts what a gateway should not have done into the audit chain. */
  note(note: SecurityNote): Promise<boolean>
  /** Whether a batch that was committed before is none that the gateway itself would send again. */
  isReplay(gateway: GatewayId, epoch: Epoch): Promise<boolean>
  stop(): void
  status(): RecorderStatus
}

const RETRY = { firstMs: 200, maxMs: 15_000 } as const
const BREAKER_OPENS_AT = 3
/**
 * What may be spent on looking for single records that are refused; after that, whole runs are set aside. Everybody else
 * waits meanwhile, so the time counts as well as the number of transactions.
 */
const SPLITS = { least: 32, most: 256, forMs: 500 } as const

export function createRecorder<R extends Run>(options: Options): Recorder<R> {
  const { pool, compression, log } = options
  const attempts = createAttempts<R>(options)
  let bisected = 0

  /** Tries until the set is committed or found to be poisoned. */
  const commit = async (runs: readonly R[], splits: Splits): Promise<readonly Outcome<R>[]> => {
    const result = await attempts.until(runs, (error) => faultOf(error) === 'poison' && !isSetAside(runs))
    return result.ok ? result.outcomes : await bisect(runs, result.error, splits)
  }

  const bisect = async (runs: readonly R[], error: unknown, splits: Splits): Promise<readonly Outcome<R>[]> => {
    bisected += 1
    splits.left -= 1
    const halves = halve(runs, isSpent(splits, options.clock.monoMs()), compression)
    if (halves) return [...(await commit(halves[0], splits)), ...(await commit(halves[1], splits))]
    const detail = `${messageOf(error)} (SQLSTATE ${sqlState(error) ?? 'none'})`
    for (const { gateway, first, last } of runs) {
      log.error({ event: 'record.poison', gateway, first, last, error: detail }, 'the database refuses this; set aside')
    }
    const aside = runs.map((run) => setAside(run, detail, compression))
    return await commit(aside, splits)
  }

  return {
    record: async (runs) => {
      const outcomes = await commit(inOrder(runs), {
        left: SPLITS.most,
        untilMs: options.clock.monoMs() + SPLITS.forMs,
      })
      return attempts.stopped() && outcomes.length === 0 ? undefined : mergeOutcomes(outcomes)
    },
    greet: (gateway, hello) => greet(pool, options.clock, gateway, hello),
    keepStray: (stray) => withClient(pool, options.clock, (client) => insertStray(client, stray)),
    note: (note) => withClient(pool, options.clock, (client) => writeSecurityNote(client, note)),
    isReplay: (gateway, epoch) =>
      withClient(pool, options.clock, (client) => isFromEarlierOpening(client, gateway, formatEpoch(epoch))),
    stop: attempts.stop,
    status: () => ({ ...attempts.status(), bisected }),
  }
}

type Attempted<R extends Run> =
  | { readonly ok: true; readonly outcomes: readonly Outcome<R>[] }
  | { readonly ok: false; readonly error: unknown }

/** One transaction after another, with full-jitter pauses while the database is away. */
function createAttempts<R extends Run>(options: Options) {
  const { pool, clock, log } = options
  const directory = createDirectory(clock)
  const newestKnown = createNewestKnown()
  const writers = createWriters()
  const pause = createPause(clock)
  let reconnected = false
  let failures = 0
  let lastError: string | undefined
  let fault: RecorderStatus['fault']
  let stopped = false

  // Behind a new connection may be another server, restored from a backup, that knows less than the one before. What is
  // remembered is dropped before the next set, never while one is on the way.
  const onConnect = () => {
    reconnected = true
  }
  pool.on('connect', onConnect)
  const forget = () => {
    reconnected = false
    directory.clear()
    newestKnown.clear()
  }

  const once = async (runs: readonly R[]): Promise<readonly Outcome<R>[]> => {
    const startedMs = clock.monoMs()
    const recording = { directory, newestKnown, writers, compression: options.compression, wallMs: clock.wallMs() }
    const committed = await withClient(pool, clock, (client) => {
      if (reconnected) forget()
      return commitRuns(client, runs, recording)
    })
    failures = 0
    fault = undefined
    options.onCommit(committed.tally, clock.monoMs() - startedMs)
    return committed.outcomes
  }

  const failed = async (error: unknown) => {
    failures += 1
    const kind = troubleOf(error)
    fault = { kind, sinceMs: fault?.sinceMs ?? clock.wallMs(), next: TROUBLE_NEXT[kind] }
    const delayMs = backoffMs(failures - 1, RETRY, options.random)
    const level = failures >= BREAKER_OPENS_AT ? 'error' : 'warn'
    const said = { event: 'record.retry', failures, kind, delayMs, error: lastError, sqlState: sqlState(error) }
    log[level](said, 'nothing was recorded and nothing acknowledged; trying again')
    await pause.wait(delayMs)
  }

  return {
    /** @returns no outcomes when stopped, the error when `isFinal` says that trying again is of no use */
    until: async (runs: readonly R[], isFinal: (error: unknown) => boolean): Promise<Attempted<R>> => {
      while (!stopped) {
        try {
          return { ok: true, outcomes: await once(runs) }
        } catch (error) {
          lastError = messageOf(error)
          if (isFinal(error)) return { ok: false, error }
          await failed(error)
        }
      }
      return { ok: true, outcomes: [] }
    },
    stop: () => {
      stopped = true
      pool.removeListener('connect', onConnect)
      pause.end()
    },
    stopped: () => stopped,
    status: () => ({
      breaker: failures >= BREAKER_OPENS_AT ? ('open' as const) : ('closed' as const),
      failures,
      lastError,
      fault,
    }),
  }
}

interface Splits {
  left: number
  /** Monotonic milliseconds. */
  readonly untilMs: number
}

function isSpent({ left, untilMs }: Splits, nowMs: number): boolean {
  return left <= 0 || (left <= SPLITS.most - SPLITS.least && nowMs > untilMs)
}

/** Sorted, so that both halves of a set keep each ledger in sequence. */
function inOrder<R extends Run>(runs: readonly R[]): readonly R[] {
  const key = (run: R) => `${run.gateway}/${formatEpoch(run.epoch)}`
  return runs
    .map((run) => ({ run, key: key(run) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.run.first - b.run.first))
    .map(({ run }) => run)
}

/** @returns undefined when there is nothing left to halve: one record, one unreadable run, or no patience left */
function halve<R extends Run>(
  runs: readonly R[],
  spent: boolean,
  compression: Compression,
): readonly [readonly R[], readonly R[]] | undefined {
  if (runs.length > 1) {
    const middle = runs.length >> 1
    return [runs.slice(0, middle), runs.slice(middle)]
  }
  const run = runs[0]
  if (!run?.content.ok || run.content.records.length < 2 || spent) return undefined
  const { records } = run.content
  const middle = records.length >> 1
  const front = records.slice(0, middle)
  const border = run.first + front.reduce((sum, record) => sum + seqSpan(record), 0)
  const part = (records: typeof front, first: number, last: number): R => {
    const bytes = encodeBatch({ gateway: run.gateway, epoch: run.epoch, first, last, records }, compression)
    return { ...run, first, last, bytes, content: { ok: true, records } }
  }
  return [[part(front, run.first, border - 1)], [part(records.slice(middle), border, run.last)]]
}

function setAside<R extends Run>(run: R, detail: string, compression: Compression): R {
  const { gateway, epoch, first, last } = run
  const bytes = run.content.ok
    ? encodeBatch({ gateway, epoch, first, last, records: run.content.records }, compression)
    : run.bytes
  return { ...run, bytes, content: { ok: false, code: 'DATABASE_REFUSED', detail } }
}

function isSetAside(runs: readonly Run[]): boolean {
  return runs.every((run) => !run.content.ok)
}

/** One outcome for each ledger: acknowledgements are cumulative, so the last one stands for all. */
function mergeOutcomes<R extends Run>(outcomes: readonly Outcome<R>[]): readonly Outcome<R>[] {
  const recorded = new Map<string, Extract<Outcome<R>, { kind: 'recorded' }>>()
  const others: Outcome<R>[] = []
  for (const outcome of outcomes) {
    if (outcome.kind !== 'recorded') {
      others.push(outcome)
      continue
    }
    const key = `${outcome.gateway}/${formatEpoch(outcome.epoch)}`
    const before = recorded.get(key)
    recorded.set(
      key,
      before
        ? {
            ...outcome,
            hw: Math.max(before.hw, outcome.hw),
            quarantined: [...before.quarantined, ...outcome.quarantined],
            runs: [...before.runs, ...outcome.runs],
            isRepeated: before.isRepeated && outcome.isRepeated,
          }
        : outcome,
    )
  }
  return [...recorded.values(), ...others]
}

async function insertStray(client: ClientBase, { gateway, code, detail, bytes }: StrayRow): Promise<boolean> {
  const known = await client.query<{ org_id: number }>('select org_id from site.gateway where name = $1', [gateway])
  const orgId = known.rows[0]?.org_id
  if (orgId === undefined) return false
  const run = { streamId: null, first: null, last: null, level: 'batch' as const }
  await insertQuarantine(client, [{ orgId, gateway, code, detail, payload: bytes, ...run }])
  return true
}

/** A wait that `end` cuts short, and every later one with it. */
function createPause(clock: Clock) {
  let ended = false
  let current: { readonly timer: Timer; readonly resolve: () => void } | undefined
  return {
    wait: (delayMs: number) =>
      new Promise<void>((resolve) => {
        if (ended) return resolve()
        current = { timer: clock.after(delayMs, resolve), resolve }
      }),
    end: () => {
      ended = true
      current?.timer.cancel()
      current?.resolve()
    },
  }
}
