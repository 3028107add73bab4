import type { Random } from '@biotrakr/shared'

/**
 * The sending side of the ledger protocol as a pure state machine: events in, new state and actions out. Go-back-N with
 * cumulative acknowledgements: batch borders carry no meaning, so a run may be cut differently each time it is sent.
 */
export interface Position {
  readonly epoch: string
  readonly seq: number
}

/** A batch that was handed to the broker and is not committed yet. */
interface Flight {
  readonly epoch: string
  readonly first: number
  readonly last: number
  readonly sentMs: number
  /** When its records were first sent in this connection; earlier than `sentMs` once they were sent again. */
  readonly firstSentMs: number
  /** True once the broker has taken it: until then it is still on its way and sending it again would only add load. */
  readonly taken: boolean
}

/** Records that were called back and are to be sent again, from the cursor up to `until`. */
interface Recall {
  readonly sinceMs: number
  readonly until: Position
}

interface Known {
  /** Committed up to here, as the centre said. */
  readonly hw: number
  /** Newest record that the store is known to hold or this connection has sent: nothing above it can be committed. */
  readonly last: number
}

export interface WindowState {
  /** True between a welcome and the loss of the connection. */
  readonly open: boolean
  /** Newest position sent; undefined = the oldest unacknowledged record comes next. */
  readonly cursor: Position | undefined
  /** Oldest first. */
  readonly flights: readonly Flight[]
  /** Every epoch that the centre may speak of. */
  readonly epochs: ReadonlyMap<string, Known>
  /** Smoothed time from sending a batch to its commit ack, milliseconds. */
  readonly smoothedMs: number | undefined
  /** Resend timers that ran out in a row. */
  readonly timeouts: number
  /** Calls back after a nack, in a row without anything committed. */
  readonly refusals: number
  /** After a timeout one batch is sent alone, until the centre commits something. */
  readonly probing: boolean
  readonly resendAtMs: number | undefined
  readonly recalledAtMs: number
  readonly recall: Recall | undefined
  /** The centre asked for something it had already committed: its database may have been restored. */
  readonly doubt: boolean
}

/** One epoch as the store holds it; `acked` is the highest acknowledged sequence number. */
export interface HeldEpoch {
  readonly epoch: string
  readonly first: number
  readonly last: number
  readonly acked: number
}

export type WindowEvent =
  | {
      readonly type: 'welcome'
      readonly held: readonly HeldEpoch[]
      readonly told: readonly { readonly epoch: string; readonly hw: number }[]
    }
  | { readonly type: 'sent'; readonly epoch: string; readonly first: number; readonly last: number }
  | { readonly type: 'taken'; readonly epoch: string; readonly last: number }
  | { readonly type: 'ack'; readonly epoch: string; readonly hw: number }
  | { readonly type: 'nack'; readonly epoch: string; readonly need: number }
  | { readonly type: 'timer' }
  | { readonly type: 'closed' }

export type WindowAction =
  | { readonly do: 'acknowledge'; readonly epoch: string; readonly hw: number }
  /** The centre has less than it once committed: what is above `hw` must be sent again. */
  | { readonly do: 'rewind'; readonly epoch: string; readonly hw: number; readonly acked: number }
  /** The centre has more than the store ever held: the store was restored from an old image. */
  | { readonly do: 'ahead'; readonly epoch: string; readonly hw: number; readonly last: number }
  | { readonly do: 'greet' }
  | { readonly do: 'recalled'; readonly why: 'nack' | 'timeout'; readonly batches: number }
  | { readonly do: 'measured'; readonly ackMs: number }
  | { readonly do: 'ignored'; readonly why: 'unknown epoch' | 'already committed' | 'too soon' | 'not in flight' }

export interface Step {
  readonly state: WindowState
  readonly actions: readonly WindowAction[]
}

interface Context {
  /** Monotonic milliseconds. */
  readonly nowMs: number
  readonly random: Random
}

const RESEND_MIN_MS = 2_000
const RESEND_MAX_MS = 60_000
const GO_BACK_MIN_MS = 200
/** A centre that refuses this often in a row takes nothing at present (its disk is full): one batch at a time will do. */
const REFUSALS_BEFORE_PROBE = 3

export function closedWindow(): WindowState {
  return {
    open: false,
    cursor: undefined,
    flights: [],
    epochs: new Map(),
    smoothedMs: undefined,
    timeouts: 0,
    refusals: 0,
    probing: false,
    resendAtMs: undefined,
    recalledAtMs: Number.NEGATIVE_INFINITY,
    recall: undefined,
    doubt: false,
  }
}

/** True when one more batch may be sent. */
export function mayRelease(state: WindowState, size: number): boolean {
  return state.open && state.flights.length < (state.probing ? 1 : size)
}

export function step(state: WindowState, event: WindowEvent, context: Context): Step {
  switch (event.type) {
    case 'welcome':
      return welcome(state, event)
    case 'sent':
      return { state: sent(state, event, context), actions: [] }
    case 'taken':
      return { state: taken(state, event, context), actions: [] }
    case 'ack':
      return ack(state, event, context)
    case 'nack':
      return nack(state, event, context)
    case 'timer':
      return timer(state, context)
    case 'closed':
      return { state: closed(state), actions: [] }
  }
}

/** In flight is forgotten with the connection: the next welcome says what of it was committed. */
function closed(state: WindowState): WindowState {
  const { epochs, smoothedMs } = state
  return { ...closedWindow(), epochs, smoothedMs }
}

function welcome(state: WindowState, { held, told }: Extract<WindowEvent, { type: 'welcome' }>): Step {
  const centre = new Map(told.map((entry) => [entry.epoch, entry.hw]))
  const epochs = new Map<string, Known>()
  const actions: WindowAction[] = []
  for (const { epoch, last, acked } of held) {
    const hw = centre.get(epoch) ?? acked
    epochs.set(epoch, { hw: Math.min(hw, last), last })
    if (hw > last) actions.push({ do: 'ahead', epoch, hw, last })
    if (hw > acked) actions.push({ do: 'acknowledge', epoch, hw: Math.min(hw, last) })
    if (hw < acked) actions.push({ do: 'rewind', epoch, hw, acked })
  }
  return { state: { ...closed(state), epochs, open: true }, actions }
}

function sent(state: WindowState, run: Extract<WindowEvent, { type: 'sent' }>, context: Context): WindowState {
  const { recall } = state
  const known = state.epochs.get(run.epoch) ?? { hw: run.first - 1, last: run.last }
  const flight: Flight = {
    epoch: run.epoch,
    first: run.first,
    last: run.last,
    sentMs: context.nowMs,
    firstSentMs: recall?.sinceMs ?? context.nowMs,
    taken: false,
  }
  return {
    ...state,
    cursor: { epoch: run.epoch, seq: run.last },
    flights: [...state.flights, flight],
    epochs: withEpoch(state.epochs, run.epoch, { ...known, last: Math.max(known.last, run.last) }),
    resendAtMs: state.resendAtMs ?? resendAt(state, context),
    recall: reaches(recall, run.epoch, run.last) ? undefined : recall,
  }
}

/** The clock of a batch starts when the broker has it: a slow line is not a lost batch. */
function taken(state: WindowState, { epoch, last }: Extract<WindowEvent, { type: 'taken' }>, context: Context) {
  const at = state.flights.findIndex((flight) => flight.epoch === epoch && flight.last === last && !flight.taken)
  if (at < 0) return state
  const flights = state.flights.map((flight, i) => (i === at ? { ...flight, taken: true } : flight))
  return { ...state, flights, resendAtMs: at === 0 ? resendAt(state, context) : state.resendAtMs }
}

function ack(state: WindowState, { epoch, hw: told }: Extract<WindowEvent, { type: 'ack' }>, context: Context): Step {
  const known = state.epochs.get(epoch)
  if (known === undefined) return ignored(state, 'unknown epoch')
  const actions: WindowAction[] = []
  if (told > known.last) actions.push({ do: 'ahead', epoch, hw: told, last: known.last })
  const hw = Math.min(told, known.last)
  if (hw <= known.hw) return { state, actions: [...actions, { do: 'ignored', why: 'already committed' }] }
  const isCovered = (flight: Flight) => flight.epoch === epoch && flight.last <= hw
  const covered = state.flights.filter(isCovered)
  const flights = state.flights.filter((flight) => !isCovered(flight))
  const next: WindowState = {
    ...state,
    // With nothing in flight the store itself knows best what comes next.
    cursor: flights.length === 0 ? undefined : laterOf(state.cursor, { epoch, seq: hw }),
    flights,
    epochs: withEpoch(state.epochs, epoch, { ...known, hw }),
    smoothedMs: smoothed(state.smoothedMs, covered.at(-1), context.nowMs),
    timeouts: 0,
    refusals: 0,
    probing: false,
    recall: reaches(state.recall, epoch, hw) ? undefined : state.recall,
    doubt: false,
  }
  actions.push({ do: 'acknowledge', epoch, hw })
  for (const flight of covered) actions.push({ do: 'measured', ackMs: context.nowMs - flight.firstSentMs })
  return { state: { ...next, resendAtMs: flights.length === 0 ? undefined : resendAt(next, context) }, actions }
}

function nack(state: WindowState, { epoch, need }: Extract<WindowEvent, { type: 'nack' }>, context: Context): Step {
  const known = state.epochs.get(epoch)
  if (known === undefined) return ignored(state, 'unknown epoch')
  if (need <= known.hw) return ignored({ ...state, doubt: true }, 'already committed')
  // Every batch behind a lost one is refused too; going back for each would multiply the traffic.
  const holdMs = Math.max(GO_BACK_MIN_MS, state.smoothedMs ?? 0) * 2 ** Math.min(state.refusals, 16)
  if (context.nowMs - state.recalledAtMs < Math.min(holdMs, RESEND_MAX_MS)) return ignored(state, 'too soon')
  const from = state.flights.findIndex((flight) => flight.epoch === epoch && flight.last >= need)
  if (from < 0) return ignored(state, 'not in flight')
  const refusals = state.refusals + 1
  const back = { ...goBack(state, from, context), refusals, probing: refusals >= REFUSALS_BEFORE_PROBE }
  return {
    state: { ...back, cursor: { epoch, seq: need - 1 }, resendAtMs: resendAt(back, context) },
    actions: [{ do: 'recalled', why: 'nack', batches: state.flights.length - from }],
  }
}

function timer(state: WindowState, context: Context): Step {
  const oldest = state.flights[0]
  if (state.resendAtMs === undefined || context.nowMs < state.resendAtMs) return { state, actions: [] }
  if (oldest === undefined) return { state: { ...state, resendAtMs: undefined }, actions: [] }
  if (!oldest.taken) return { state: { ...state, resendAtMs: resendAt(state, context) }, actions: [] }
  if (state.doubt) return { state: closed(state), actions: [{ do: 'greet' }] }
  const back = { ...goBack(state, 0, context), cursor: undefined, probing: true, timeouts: state.timeouts + 1 }
  return {
    state: { ...back, resendAtMs: undefined },
    actions: [{ do: 'recalled', why: 'timeout', batches: state.flights.length }],
  }
}

function goBack(state: WindowState, from: number, { nowMs }: Context): WindowState {
  const [oldest] = state.flights.slice(from)
  const newest = state.flights.at(-1)
  if (oldest === undefined || newest === undefined) return state
  return {
    ...state,
    flights: state.flights.slice(0, from),
    recalledAtMs: nowMs,
    recall: {
      sinceMs: Math.min(oldest.firstSentMs, state.recall?.sinceMs ?? oldest.firstSentMs),
      until: state.recall?.until ?? { epoch: newest.epoch, seq: newest.last },
    },
  }
}

/** max(2 s, 4 x smoothed ack time), doubled per timeout up to 60 s, plus up to a quarter so that gateways spread. */
function resendAt(state: WindowState, { nowMs, random }: Context): number {
  const base = Math.max(RESEND_MIN_MS, 4 * (state.smoothedMs ?? 0)) * 2 ** Math.min(state.timeouts, 16)
  return nowMs + Math.min(RESEND_MAX_MS, base) * (1 + random() / 4)
}

/** An eighth of each new measurement, as TCP does (RFC 6298); a batch that was sent twice tells nothing (Karn). */
function smoothed(beforeMs: number | undefined, flight: Flight | undefined, nowMs: number): number | undefined {
  if (flight === undefined || flight.firstSentMs !== flight.sentMs) return beforeMs
  const ackMs = nowMs - flight.sentMs
  return beforeMs === undefined ? ackMs : beforeMs + (ackMs - beforeMs) / 8
}

function withEpoch(epochs: ReadonlyMap<string, Known>, epoch: string, next: Known): ReadonlyMap<string, Known> {
  const before = epochs.get(epoch)
  if (before?.hw === next.hw && before.last === next.last) return epochs
  return new Map(epochs).set(epoch, next)
}

function laterOf(cursor: Position | undefined, other: Position): Position | undefined {
  return cursor !== undefined && cursor.epoch === other.epoch && other.seq > cursor.seq ? other : cursor
}

function reaches(recall: Recall | undefined, epoch: string, seq: number): boolean {
  return recall !== undefined && recall.until.epoch === epoch && seq >= recall.until.seq
}

function ignored(state: WindowState, why: Extract<WindowAction, { do: 'ignored' }>['why']): Step {
  return { state, actions: [{ do: 'ignored', why }] }
}
