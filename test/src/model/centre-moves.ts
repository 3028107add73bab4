import type { Design } from './design.ts'
import type { Emit } from './gateway-moves.ts'
import {
  ACKS,
  ALL,
  at,
  BACKED_UP,
  BACKUP,
  copyDatabase,
  DATABASE,
  GAPS,
  HW,
  INGESTER,
  INGESTER_BYTES,
  INGESTERS,
  left,
  NETWORK,
  QUARANTINE,
  ROWS,
  type State,
  spend,
  VOLATILE,
} from './layout.ts'
import { isOnNetwork, type Message, type Messages } from './messages.ts'

/** The database refuses this record for what it says. */
const POISON = 1
const STATEMENTS = 1
/** Rows are committed, the watermark is not. */
const WATERMARK = 2

export interface Centre {
  readonly design: Design
  readonly hasPoison: boolean
  readonly messages: Messages
}

/** Everything that broker, ingesters and database may do or suffer next. */
export function centreMoves(state: State, centre: Centre, emit: Emit): void {
  const { messages } = centre
  for (let number = 0; number < messages.size; number++) {
    if (!isOnNetwork(state, number)) continue
    const next = begin(state, number, centre)
    if (next) emit(next, `deliver ${describe(messages.get(number))}`)
  }
  for (let ingester = 0; ingester < INGESTERS; ingester++) {
    const next = finish(state, ingester, centre)
    if (!next) continue
    emit(next, 'commit')
    crash(state, ingester, emit)
  }
  if (isHoldingQuarantine(state)) crash(state, 0, emit)
  loseBroker(state, messages, emit)
  restoreDatabase(state, emit)
}

/** An ingester opens a transaction for a batch. @returns undefined when that is not possible or changes nothing */
export function begin(state: State, number: number, { design, hasPoison, messages }: Centre): State | undefined {
  const { epoch, first, last, items } = messages.get(number)
  const ingester = freeIngester(state, epoch, { design, messages })
  const hw = at(state, DATABASE + HW + epoch)
  if (ingester === undefined || (first > hw + 1 && !design.noContiguity)) return undefined
  if (last <= hw) return acknowledged(state, epoch, hw)
  const isRefused = items.some(({ record, isGap }, i) => record === POISON && !isGap && first + i > hw)
  if (hasPoison && isRefused && design.quarantine === 'none') return undefined
  const next = design.ackBeforeCommit ? (acknowledged(state, epoch, last) ?? state.slice()) : state.slice()
  next.set([number + 1, hw, STATEMENTS], placeOf(ingester))
  sortIngesters(next)
  return next
}

/** @returns undefined for an ingester that is idle */
export function finish(state: State, ingester: number, centre: Centre): State | undefined {
  const place = placeOf(ingester)
  const number = at(state, place) - 1
  if (number < 0) return undefined
  const message = centre.messages.get(number)
  const next = state.slice()
  if (at(state, place + 2) === STATEMENTS) insert(next, message, { hw: at(state, place + 1), centre })
  if (at(state, place + 2) === STATEMENTS && centre.design.watermarkOutside) {
    next[place + 2] = WATERMARK
    return next
  }
  const hw = Math.max(message.last, at(state, DATABASE + HW + message.epoch))
  next[DATABASE + HW + message.epoch] = hw
  next.fill(0, place, place + INGESTER_BYTES)
  sortIngesters(next)
  return acknowledged(next, message.epoch, hw) ?? next
}

interface Insertion {
  readonly hw: number
  readonly centre: Centre
}

function insert(state: State, { first, items }: Message, { hw, centre }: Insertion): void {
  items.forEach(({ record, isGap }, i) => {
    if (first + i <= hw) return
    const isPoison = centre.hasPoison && record === POISON && !isGap
    const volatile = centre.design.quarantine === 'volatile'
    const refused = volatile ? VOLATILE : DATABASE + QUARANTINE
    const place = (isGap ? DATABASE + GAPS : isPoison ? refused : DATABASE + ROWS) + record
    state[place] = Math.min(2, at(state, place) + 1)
  })
}

/** @returns undefined when this ack is on its way already */
function acknowledged(state: State, epoch: number, hw: number): State | undefined {
  if (at(state, ACKS + epoch) >= hw) return undefined
  const next = state.slice()
  next[ACKS + epoch] = hw
  return next
}

/** The watermark row of an epoch is locked by whoever records a batch of it. */
function freeIngester(
  state: State,
  epoch: number,
  { design, messages }: Pick<Centre, 'design' | 'messages'>,
): number | undefined {
  let free: number | undefined
  for (let ingester = 0; ingester < INGESTERS; ingester++) {
    const number = at(state, placeOf(ingester)) - 1
    if (number < 0) free ??= ingester
    else if (!design.noWatermarkLock && messages.get(number).epoch === epoch) return undefined
  }
  return free
}

const placeOf = (ingester: number): number => INGESTER + ingester * INGESTER_BYTES

/** The ingesters are alike: which of two does what makes no difference. */
function sortIngesters(state: State): void {
  const code = (place: number) => (at(state, place) << 4) | (at(state, place + 1) << 2) | at(state, place + 2)
  const [a, b] = [placeOf(0), placeOf(1)]
  if (code(a) <= code(b)) return
  const first = state.slice(a, b)
  state.copyWithin(a, b, b + INGESTER_BYTES)
  state.set(first, b)
}

function crash(state: State, ingester: number, emit: Emit): void {
  if (left(state, 'ingester') === 0) return
  const next = spend(state, 'ingester')
  const place = placeOf(ingester)
  next.fill(0, place, place + INGESTER_BYTES)
  for (const record of ALL) next[VOLATILE + record] = 0
  sortIngesters(next)
  emit(next, 'kill -9 of the ingester')
}

function isHoldingQuarantine(state: State): boolean {
  return ALL.some((record) => at(state, VOLATILE + record) > 0)
}

/** What a gateway still holds, it sends again. */
function loseBroker(state: State, messages: Messages, emit: Emit): void {
  if (left(state, 'broker') === 0) return
  const next = spend(state, 'broker')
  next.fill(0, NETWORK, NETWORK + 8)
  next.fill(0, ACKS, ACKS + 3)
  messages.offer(next)
  emit(next, 'the broker dies and forgets')
}

function restoreDatabase(state: State, emit: Emit): void {
  if (left(state, 'database') === 0) return
  if (at(state, BACKED_UP) === 0) {
    const next = state.slice()
    copyDatabase(next, DATABASE, BACKUP)
    next[BACKED_UP] = 1
    emit(next, 'back the database up')
    return
  }
  const next = spend(state, 'database')
  copyDatabase(next, BACKUP, DATABASE)
  next.fill(0, BACKUP, ACKS)
  next.fill(0, INGESTER, INGESTER + INGESTERS * INGESTER_BYTES)
  next[BACKED_UP] = 0
  emit(next, 'put the backup back')
}

function describe({ epoch, first, last, items }: Message): string {
  const what = items.map(({ record, isGap }) => (isGap ? `gap over ${record + 1}` : `record ${record + 1}`))
  return `${first}..${last} of epoch ${epoch + 1} (${what.join(', ')})`
}
