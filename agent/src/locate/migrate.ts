import type { Engine, Track } from './engine.ts'
import { createTrack } from './engine.ts'
import type { Layout } from './layout.ts'
import { listenTo } from './model.ts'
import { at, indexAt } from './numbers.ts'
import { type Recency, touch } from './recency.ts'

const HALF = 0.5
/** Probability that a tag rests whose room is gone from the map. */
const FOUND_ANEW = 0.3

/** Takes what is known of tags and receivers over to a new site map, by name; what the new map lacks is dropped. */
export function migrate(from: Engine, to: Engine, state: Recency<Track>): void {
  const rooms = renumbered(from.model.layout.rooms, to.model.layout.roomNumber)
  rooms.push(to.model.layout.rooms.length)
  const receivers = renumbered(from.model.layout.receivers, to.model.layout.receiverNumber)
  const moving = { to, rooms, receivers }
  const taken: Track[] = []
  for (let track = state.oldest; track; track = track.newer) taken.push(moved(track, moving))
  state.tracks.clear()
  state.oldest = undefined
  state.newest = undefined
  for (const track of taken) touch(state, track)
  moveWatch(from, to, receivers)
}

function renumbered<Id>(names: Layout['rooms'] | Layout['receivers'], numbers: ReadonlyMap<Id, number>): number[] {
  return names.map((name) => numbers.get(name as Id) ?? -1)
}

interface Moving {
  readonly to: Engine
  readonly rooms: readonly number[]
  readonly receivers: readonly number[]
}

function moved(old: Track, { to, rooms, receivers }: Moving): Track {
  const track = createTrack(to, old)
  const { motion } = track
  const kept = moveBelief(track, old, rooms)
  Object.assign(motion, { ...old.motion, ...movedReceivers(track, old, receivers) })
  // Where it rested is gone: it has to be found anew, and quickly.
  if (kept < HALF) motion.rest = Math.min(motion.rest, FOUND_ANEW)
  Object.assign(track.offset, old.offset)
  track.answer = rooms[old.answer] ?? -1
  track.told = old.told && track.answer >= 0
  track.atMs = old.atMs
  track.last = old.last
  track.how = track.answer >= 0 ? old.how : undefined
  return track
}

/** @returns how much of the belief is in rooms that the new map has; with less than half of it nothing is kept */
function moveBelief({ belief }: Track, old: Track, rooms: readonly number[]): number {
  let kept = 0
  for (let b = 0; b < old.belief.count; b++) {
    const room = rooms[indexAt(old.belief.rooms, b)] ?? -1
    if (room < 0 || belief.count >= belief.rooms.length) continue
    belief.rooms[belief.count] = room
    belief.answer[belief.count] = at(old.belief.answer, b)
    belief.fast[belief.count] = at(old.belief.fast, b)
    kept += at(old.belief.answer, b)
    belief.count += 1
  }
  if (kept < HALF) belief.count = 0
  for (const values of [belief.answer, belief.fast]) {
    let total = 0
    for (let b = 0; b < belief.count; b++) total += at(values, b)
    for (let b = 0; b < belief.count; b++) values[b] = at(values, b) / total
  }
  return kept
}

function movedReceivers({ motion }: Track, old: Track, receivers: readonly number[]): Track['motion'] {
  const { motion: before } = old
  for (let s = 0; s < before.count; s++) {
    const receiver = receivers[indexAt(before.receivers, s)] ?? -1
    if (receiver < 0) continue
    let slot = motion.receivers.subarray(0, motion.count).indexOf(receiver)
    if (slot < 0 && motion.count < motion.receivers.length) slot = motion.count++
    if (slot < 0) continue
    motion.receivers[slot] = receiver
    motion.weight[slot] = at(before.weight, s)
    motion.sum[slot] = at(before.sum, s)
    motion.heard[slot] = at(before.heard, s)
  }
  const { receivers: kept, weight, sum, heard, count } = motion
  return { ...before, receivers: kept, weight, sum, heard, count }
}

function moveWatch(from: Engine, to: Engine, receivers: readonly number[]): void {
  const [old, watch] = [from.watch, to.watch]
  receivers.forEach((i, before) => {
    if (i < 0) return
    for (const name of ['expected', 'byOthers', 'witness', 'seen', 'missed', 'readings'] as const) {
      watch[name][i] = at(old[name], before)
    }
    watch.masked[i] = old.masked[before] ?? 0
    watch.down[i] = old.down[before] ?? 0
  })
  watch.atSeconds = old.atSeconds
  listenTo(to.model, watch.masked)
}
