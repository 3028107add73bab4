import type { Design } from './design.ts'
import {
  ABSENT,
  ACCEPTED,
  ACKED,
  ACKS,
  ALL,
  at,
  BACKED_UP,
  BACKUP,
  CURRENT,
  copyStore,
  DATABASE,
  EPOCH,
  EXCUSED,
  FRESH,
  GAP,
  GONE,
  HELD,
  HW,
  IMAGE,
  LAST,
  left,
  liveStores,
  NO_IMAGE,
  NOTED,
  RECORDS,
  SEQ,
  SLOT,
  STORE_A,
  STORE_B,
  type State,
  spend,
  TAKEN,
  TWIN,
  UNSYNCED,
} from './layout.ts'

export type Emit = (next: State, name: string) => void

/** Everything that a gateway may do or suffer next. */
export function gatewayMoves(state: State, design: Design, emit: Emit): void {
  for (const store of liveStores(state)) {
    accept(state, { store, design }, emit)
    hearAcks(state, { store, design }, emit)
    greet(state, store, emit)
    release(state, { store, design }, emit)
    sync(state, store, emit)
    evict(state, { store, design }, emit)
  }
  restart(state, design, emit)
  copyAndRestore(state, design, emit)
}

interface At {
  readonly store: number
  readonly design: Design
}

/** A record is stored with its number; epochs are named by their first record. */
function accept(state: State, { store, design }: At, emit: Emit): void {
  const record = at(state, ACCEPTED)
  if (record === RECORDS) return
  const next = state.slice()
  const isFirst = at(state, store + CURRENT) === FRESH
  if (isFirst) {
    next[store + CURRENT] = design.oneEpoch ? 0 : record
    next[store + LAST] = 0
  }
  next[store + LAST] = at(next, store + LAST) + 1
  next[store + SLOT + record] = design.unsynced ? UNSYNCED : HELD
  next[store + EPOCH + record] = at(next, store + CURRENT)
  next[store + SEQ + record] = at(next, store + LAST)
  next[ACCEPTED] = record + 1
  emit(next, `accept record ${record + 1}`)
}

function hearAcks(state: State, { store, design }: At, emit: Emit): void {
  for (const epoch of ALL) {
    const known = lastOf(state, store, epoch)
    const hw = design.ackOnPuback ? known : Math.min(at(state, ACKS + epoch), known)
    if (hw <= at(state, store + ACKED + epoch)) continue
    const next = state.slice()
    next[store + ACKED + epoch] = hw
    emit(next, design.ackOnPuback ? 'PUBACK of all that is held' : `ack of epoch ${epoch + 1} up to ${hw}`)
  }
}

/** Hello and welcome: the gateway's marks become those of the database, higher or lower. */
function greet(state: State, store: number, emit: Emit): void {
  const next = state.slice()
  if (takeMarks(next, store)) emit(next, 'hello and welcome')
}

/** @returns false when nothing changed */
export function takeMarks(state: State, store: number): boolean {
  let isChanged = false
  for (const epoch of ALL) {
    const hw = Math.min(at(state, DATABASE + HW + epoch), lastOf(state, store, epoch))
    isChanged ||= hw !== at(state, store + ACKED + epoch)
    state[store + ACKED + epoch] = hw
  }
  return isChanged
}

/**
 * Confirmed records are let go once their grace time is over. It is longer than a message can be on its way and than any
 * backup is old: every state that the database can be put back to has the record. That reasoning rests on acks that
 * follow the commit; where they do not, having been acknowledged is all that a gateway can go by.
 */
function release(state: State, { store, design }: At, emit: Emit): void {
  for (const record of ALL) {
    const slot = at(state, store + SLOT + record)
    const epoch = at(state, store + EPOCH + record)
    const seq = at(state, store + SEQ + record)
    if ((slot !== HELD && slot !== GAP) || at(state, store + ACKED + epoch) < seq) continue
    if (!(design.noGrace || design.ackOnPuback || design.ackBeforeCommit) && !isSafe(state, epoch, seq)) continue
    const next = state.slice()
    next[store + SLOT + record] = GONE
    emit(next, `let go of record ${record + 1}`)
  }
}

function isSafe(state: State, epoch: number, seq: number): boolean {
  if (at(state, DATABASE + HW + epoch) < seq) return false
  return at(state, BACKED_UP) === 0 || at(state, BACKUP + HW + epoch) >= seq
}

function sync(state: State, store: number, emit: Emit): void {
  const next = state.slice()
  for (const record of ALL) if (at(state, store + SLOT + record) === UNSYNCED) next[store + SLOT + record] = HELD
  emit(next, 'disk has written')
}

const LEFT_BEHIND = { gap: GAP, silent: GONE, note: NOTED } as const

function evict(state: State, { store, design }: At, emit: Emit): void {
  if (left(state, 'evict') === 0) return
  for (const record of ALL) {
    const epoch = at(state, store + EPOCH + record)
    const isHeld = at(state, store + SLOT + record) === HELD
    if (!isHeld || at(state, store + SEQ + record) <= at(state, store + ACKED + epoch)) continue
    const next = spend(state, 'evict')
    next[store + SLOT + record] = LEFT_BEHIND[design.eviction]
    emit(next, `evict record ${record + 1}`)
  }
}

function restart(state: State, design: Design, emit: Emit): void {
  for (const fault of ['kill', 'power'] as const) {
    if (left(state, fault) === 0) continue
    const next = spend(state, fault)
    open(next, design)
    forgetMarks(next)
    if (fault === 'power') {
      for (const record of ALL) {
        if (at(next, STORE_A + SLOT + record) === UNSYNCED) next[STORE_A + SLOT + record] = GONE
      }
    }
    emit(next, fault === 'kill' ? 'kill -9 of the agent' : 'power cut')
  }
}

function copyAndRestore(state: State, design: Design, emit: Emit): void {
  const image = at(state, IMAGE)
  if (image === NO_IMAGE && left(state, 'image') > 0) {
    const next = state.slice()
    copyStore(next, STORE_A, STORE_B)
    next[IMAGE] = TAKEN
    emit(next, 'take an image')
  }
  if (image === TAKEN) {
    const next = spend(state, 'image')
    for (const record of ALL) {
      if (at(state, STORE_B + SLOT + record) === ABSENT && record < at(state, ACCEPTED)) {
        next[EXCUSED] = at(next, EXCUSED) | (1 << record)
      }
    }
    copyStore(next, STORE_B, STORE_A)
    next.fill(0, STORE_B, DATABASE)
    next[IMAGE] = NO_IMAGE
    open(next, design)
    emit(next, 'put the image back')
  }
  if (image === NO_IMAGE && left(state, 'twin') > 0) {
    const next = spend(state, 'twin')
    copyStore(next, STORE_A, STORE_B)
    next[IMAGE] = TWIN
    open(next, design, STORE_B)
    emit(next, 'start a second box from a copy')
  }
}

function open(state: State, { oneEpoch }: Design, store = STORE_A): void {
  if (oneEpoch) return
  state[store + CURRENT] = FRESH
  state[store + LAST] = 0
}

/** Marks are made durable with the next commit only: at worst, all are forgotten of which records remain. */
function forgetMarks(state: State): void {
  for (const epoch of ALL) {
    let mark = 0
    for (const record of ALL) {
      const isGone = at(state, STORE_A + SLOT + record) === GONE && at(state, STORE_A + EPOCH + record) === epoch
      if (isGone) mark = Math.max(mark, at(state, STORE_A + SEQ + record))
    }
    state[STORE_A + ACKED + epoch] = Math.min(mark, at(state, STORE_A + ACKED + epoch))
  }
}

/** Newest sequence number of an epoch that the store knows. */
function lastOf(state: State, store: number, epoch: number): number {
  let last = 0
  for (const record of ALL) {
    if (at(state, store + SLOT + record) === ABSENT || at(state, store + EPOCH + record) !== epoch) continue
    last = Math.max(last, at(state, store + SEQ + record))
  }
  return last
}
