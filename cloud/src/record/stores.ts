import { parseEpoch } from '@biotrakr/shared'

/**
 * Whose hello is believed. A gateway is one box with one store, and each opening of that store is a new epoch. Two boxes
 * of one name, or two copies of one store, would take turns in one ledger; the newer of the two is kept out until a
 * person decides.
 */
export interface StoreRow {
  readonly id: number
  readonly nonce: string
  readonly box: string | null
  readonly status: 'active' | 'blocked' | 'retired'
  readonly reason: string
  /** Openings in the text form of their epochs. */
  readonly opening: string | null
  readonly formerOpening: string | null
  readonly blockedOpening: string | null
  /** When the present opening, or the store itself, was first heard of. */
  readonly openedMs: number
}

/** What a hello says of its sender. */
export interface Claim {
  readonly store: string
  readonly opening?: string | undefined
  readonly box?: string | undefined
}

export type StoreRefusal = 'STORE_TWIN' | 'STORE_RETIRED'
/** What a person should know of. `STORE_TWIN` needs one; the others are told in case they were not meant. */
export type StoreNotice = 'STORE_TWIN' | 'STORE_REPLACED' | 'STORE_RESTORED'

/** A new value for some columns of a store. */
export interface StoreChange {
  readonly id: number
  readonly set: Partial<Pick<StoreRow, 'status' | 'reason' | 'opening' | 'formerOpening' | 'blockedOpening'>>
  /** A new opening was heard of: `openedMs` is now. */
  readonly opened?: boolean
}

export interface StoreVerdict {
  /** `ignore`: a message that was long on its way; its sender is no longer there to be answered. */
  readonly answer: 'welcome' | 'ignore' | StoreRefusal
  readonly notice?: StoreNotice
  readonly changes: readonly StoreChange[]
  /** The claim's store is to be entered with this status. */
  readonly enter?: 'active' | 'blocked'
}

/**
 * A process that says hello this long after it was replaced is alive; before that, its hello may only have been late.
 * Longer than a hello is held anywhere on its way.
 */
const TWIN_AFTER_MS = 30_000
/** Most stores remembered of one gateway: beyond that a newcomer is refused without a trace. */
const MAX_STORES = 50

const WELCOME: StoreVerdict = { answer: 'welcome', changes: [] }
const IGNORE: StoreVerdict = { answer: 'ignore', changes: [] }
const REFUSE_TWIN: StoreVerdict = { answer: 'STORE_TWIN', changes: [] }

/** @param rows every store known of the claim's gateway, at most one of them active */
export function judgeStore(rows: readonly StoreRow[], claim: Claim, nowMs: number): StoreVerdict {
  const mine = rows.find(({ nonce }) => nonce === claim.store)
  const active = rows.find(({ status }) => status === 'active')
  if (!mine) return judgeNewcomer(rows, claim, active)
  if (mine.status === 'blocked') return REFUSE_TWIN
  if (mine.status === 'retired') return judgeRetired(mine, active, nowMs)
  return claim.opening === undefined ? WELCOME : judgeOpening(mine, claim.opening, nowMs)
}

function judgeNewcomer(rows: readonly StoreRow[], { box }: Claim, active: StoreRow | undefined): StoreVerdict {
  if (rows.length >= MAX_STORES) return REFUSE_TWIN
  if (!active) return { answer: 'welcome', changes: [], enter: 'active' }
  if (active.box !== null && active.box === box) {
    const changes = [{ id: active.id, set: { status: 'retired', reason: 'replaced by its own box' } as const }]
    return { answer: 'welcome', notice: 'STORE_REPLACED', changes, enter: 'active' }
  }
  return { answer: 'STORE_TWIN', notice: 'STORE_TWIN', changes: [], enter: 'blocked' }
}

function judgeRetired(mine: StoreRow, active: StoreRow | undefined, nowMs: number): StoreVerdict {
  if (mine.reason !== 'replaced by its own box') return { answer: 'STORE_RETIRED', changes: [] }
  if (active && nowMs - active.openedMs < TWIN_AFTER_MS) return IGNORE
  const changes: StoreChange[] = [{ id: mine.id, set: { status: 'active', reason: '' }, opened: true }]
  if (active) changes.unshift({ id: active.id, set: { status: 'blocked', reason: 'twin' } })
  return { answer: 'welcome', notice: 'STORE_TWIN', changes }
}

function judgeOpening(mine: StoreRow, opening: string, nowMs: number): StoreVerdict {
  if (opening === mine.opening) return WELCOME
  if (opening === mine.blockedOpening) return REFUSE_TWIN
  if (opening === mine.formerOpening) {
    if (nowMs - mine.openedMs < TWIN_AFTER_MS) return IGNORE
    // The process before is still there, beside the one that came after it.
    const set = { opening, formerOpening: null, blockedOpening: mine.opening }
    return { answer: 'welcome', notice: 'STORE_TWIN', changes: [{ id: mine.id, set, opened: true }] }
  }
  const set = { opening, formerOpening: mine.opening }
  const changes = [{ id: mine.id, set, opened: true }]
  // The counter never goes back while a store lives: this one was put back to an earlier state, or is a copy.
  const isBehind = mine.opening !== null && counterOf(opening) <= counterOf(mine.opening)
  return isBehind ? { answer: 'welcome', notice: 'STORE_RESTORED', changes } : { answer: 'welcome', changes }
}

function counterOf(opening: string): number {
  return parseEpoch(opening)?.counter ?? 0
}
