import type { Framer, FramerCounters } from './driver.ts'
import { MORE, type Shape } from './shape.ts'

/** Why bytes were not taken; the first of a run that says more than NO_START is told. */
const NO_START = 'no frame starts here'
const CUT_SHORT = 'cut short'
const BAD_CHECKSUM = 'checksum'

export interface EngineParts<T extends object> {
  readonly shape: Shape
  readonly gapMs: number
  /** The frame's own checks. */
  verify(bytes: Uint8Array, start: number, total: number): boolean
  /** Reads an intact frame, or says why it is none. */
  read(bytes: Uint8Array, start: number, total: number): T | string
  deliver(frame: T): void
  /** A run of dropped bytes, at most as long as the longest frame. */
  garbage(bytes: Uint8Array, start: number, end: number, why: string): void
}

interface EngineState {
  /** Never overwritten: accepted frames look into it. A full block is left to them and a new one begun. */
  block: Uint8Array
  /** Begin of the open run of garbage; equals `at` when there is none. */
  run: number
  why: string
  at: number
  end: number
  before: number
  lastMs: number
  damaged: boolean
}

/** Room of one block, bytes; at least four frames and runs of garbage. */
const BLOCK_BYTES = 8_192

type Tally = { -readonly [key in keyof FramerCounters]: FramerCounters[key] }

/**
 * Cuts frames from a stream: length first, then the checks; after a failure it goes on ONE byte further, so that a false
 * start never hides a frame behind it.
 */
export function createEngine<T extends object>(parts: EngineParts<T>): Framer {
  const size = Math.max(BLOCK_BYTES, 8 * parts.shape.max)
  const counters: Tally = { frames: 0, bytesDropped: 0, badChecksum: 0, resyncs: 0 }
  const state: EngineState = {
    block: new Uint8Array(size),
    run: 0,
    why: NO_START,
    at: 0,
    end: 0,
    before: -1,
    lastMs: Number.NaN,
    damaged: false,
  }
  const flush = () => {
    scan(parts, state, { counters, final: true })
    closeRun(parts, state)
  }
  return {
    counters,
    flush,
    get pending() {
      return state.end > state.at || state.at > state.run
    },
    push(bytes, nowMs) {
      if (nowMs - state.lastMs > parts.gapMs) flush()
      state.lastMs = nowMs
      for (let taken = 0; taken < bytes.length; ) {
        if (state.end === size) renew(state)
        const next = Math.min(bytes.length, taken + size - state.end)
        state.block.set(taken === 0 && next === bytes.length ? bytes : bytes.subarray(taken, next), state.end)
        state.end += next - taken
        taken = next
        scan(parts, state, { counters, final: false })
      }
    },
  }
}

/** Begins a new block with what is still held: at most one frame and one run of garbage. */
function renew(state: EngineState): void {
  const held = state.block.subarray(state.run, state.end)
  state.block = new Uint8Array(state.block.length)
  state.block.set(held)
  state.at -= state.run
  state.end = held.length
  state.run = 0
}

interface ScanOptions {
  readonly counters: Tally
  /** Nothing more will come: what is unfinished is no frame. */
  readonly final: boolean
}

function scan<T extends object>(parts: EngineParts<T>, state: EngineState, { counters, final }: ScanOptions): void {
  const { shape } = parts
  while (state.at < state.end) {
    if (skipIdle(parts, state)) continue
    const total = shape.measure(state.block, state.at, state.end, state.before)
    if (total === MORE || state.at + total > state.end) {
      if (!final) return
      drop(parts, state, { counters, count: shape.dropLine ? state.end - state.at : 1, why: CUT_SHORT })
    } else if (total < 0) {
      drop(parts, state, { counters, count: -total, why: NO_START })
    } else {
      take(parts, state, { counters, total })
    }
  }
}

function skipIdle<T extends object>(parts: EngineParts<T>, state: EngineState): boolean {
  const idle = parts.shape.idle(state.block, state.at, state.end)
  if (idle === 0) return false
  closeRun(parts, state)
  state.before = state.block[state.at + idle - 1] ?? -1
  state.at += idle
  state.run = state.at
  return true
}

interface TakeOptions {
  readonly counters: Tally
  readonly total: number
}

function take<T extends object>(parts: EngineParts<T>, state: EngineState, { counters, total }: TakeOptions): void {
  const { block, at } = state
  // A broken line goes up to its terminator: its end must not pass as a line of its own.
  const count = parts.shape.dropLine ? total - 1 : 1
  if (!parts.verify(block, at, total)) {
    counters.badChecksum += 1
    drop(parts, state, { counters, count, why: BAD_CHECKSUM })
    return
  }
  const frame = parts.read(block, at, total)
  if (typeof frame === 'string') {
    drop(parts, state, { counters, count, why: frame })
    return
  }
  closeRun(parts, state)
  counters.frames += 1
  if (state.damaged) counters.resyncs += 1
  state.damaged = false
  state.before = block[at + total - 1] ?? -1
  state.at = at + total
  state.run = state.at
  parts.deliver(frame)
}

interface DropOptions {
  readonly counters: Tally
  readonly count: number
  readonly why: string
}

function drop<T extends object>(
  parts: EngineParts<T>,
  state: EngineState,
  { counters, count, why }: DropOptions,
): void {
  counters.bytesDropped += count
  state.damaged = true
  if (state.why === NO_START) state.why = why
  state.at += count
  state.before = state.block[state.at - 1] ?? -1
  const { max } = parts.shape
  while (state.at - state.run >= max) {
    parts.garbage(state.block, state.run, state.run + max, state.why)
    state.run += max
    state.why = NO_START
  }
}

function closeRun<T extends object>(parts: EngineParts<T>, state: EngineState): void {
  if (state.at > state.run) parts.garbage(state.block, state.run, state.at, state.why)
  state.run = state.at
  state.why = NO_START
}
