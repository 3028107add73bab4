import type { Chance } from './chance.ts'

/** Where something is from a moment on. */
export interface Step {
  /** Wall milliseconds. */
  readonly atMs: number
  readonly room: string
  /** 0 to 1000. */
  readonly confidence: number
}

interface WalkParts {
  readonly chance: Chance
  readonly fromMs: number
  readonly untilMs: number
  readonly home: string
  /** Rooms that a door joins to each room. */
  readonly neighbours: ReadonlyMap<string, readonly string[]>
  /** Mean rest in a room. */
  readonly restMs: number
}

const MINUTE_MS = 60_000
/** What rests is told so often. */
const KEEP_ALIVE_MS = 15 * MINUTE_MS
const PASSING_MS = 40_000
/** After so many doors a thing has arrived. */
const LONGEST_WAY = 6

/**
 * A thing that rests, is taken through some doors to another room, and rests again; more by day than by night. It never
 * passes a wall. Times are in order.
 */
export function* walk({ chance, fromMs, untilMs, home, neighbours, restMs }: WalkParts): Generator<Step> {
  let room = home
  let atMs = fromMs + chance.below(KEEP_ALIVE_MS)
  const step = (): Step => ({ atMs, room, confidence: 700 + chance.below(280) })
  while (atMs < untilMs) {
    const isNight = (atMs / 3_600_000) % 24 < 6
    const leaveMs = atMs + 3 * MINUTE_MS + chance.wait(isNight ? restMs * 3 : restMs)
    for (; atMs < Math.min(leaveMs, untilMs); atMs += KEEP_ALIVE_MS) yield step()
    atMs = leaveMs
    for (let left = 1 + chance.below(LONGEST_WAY); left > 0 && atMs < untilMs; left--) {
      room = chance.pick(neighbours.get(room) ?? [home])
      yield step()
      atMs += PASSING_MS / 2 + chance.below(PASSING_MS)
    }
  }
}

/** @param doors pairs of rooms that something passes between */
export function neighboursOf(doors: readonly (readonly [string, string])[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  const add = (from: string, to: string) => found.set(from, [...(found.get(from) ?? []), to])
  for (const [a, b] of doors) {
    add(a, b)
    add(b, a)
  }
  return found
}
