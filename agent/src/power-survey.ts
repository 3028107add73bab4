import { BioTrakrError, type Clock, type Reading, type ReceiverId, type TagId } from '@biotrakr/shared'
import { pino } from 'pino'

import type { ReaderConfig } from './config-reader.ts'
import { openProfiles } from './profile-store.ts'
import { openReader } from './sources.ts'

/** What was read at one power. */
export interface PowerStep {
  readonly powerDbm: number
  /** Seconds measured. */
  readonly seconds: number
  /** Reads of the reference tag by the antenna, and share of the seconds in which it was read at all. */
  readonly reads: number
  readonly readShare: number
  /** What went beyond the zone: tags of other zones at this antenna, and the reference tag at the reader's others. */
  readonly spill: readonly Spill[]
}

interface Spill {
  readonly tag: TagId
  readonly receiver: ReceiverId
  readonly reads: number
  readonly readShare: number
}

export interface PowerAdvice {
  /** Lowest power at which the tag is read reliably, one step kept in hand; undefined when there is none. */
  readonly powerDbm: number | undefined
  /** Whether anything of a neighbour zone is read at it. */
  readonly spills: boolean
  /** In plain words, with the next step. */
  readonly words: string
}

/** Read in so many of the seconds counts as reliable, at this power and at every higher one that was tried. */
const RELIABLE = 0.95
/** A neighbour's tag that is read more rarely does no harm: the engine weighs it. */
const NOTICED = 0.05

/** @param steps in the order of power, weakest first */
export function advisePower(steps: readonly PowerStep[]): PowerAdvice {
  const weak = steps.findLastIndex(({ readShare }) => readShare < RELIABLE)
  const lowest = steps[weak + 1]
  if (lowest === undefined) {
    const words =
      'The tag is not read reliably at any power tried. Move the antenna closer, turn it towards the zone, or turn the tag.'
    return { powerDbm: undefined, spills: false, words }
  }
  const chosen = steps[weak + 2] ?? lowest
  const beyond = chosen.spill.filter(({ readShare }) => readShare >= NOTICED)
  const margin = chosen === lowest ? '' : ' (one step above the lowest reliable one)'
  if (beyond.length === 0) {
    return {
      powerDbm: chosen.powerDbm,
      spills: false,
      words: `Set powerDbm: ${chosen.powerDbm}${margin}. Nothing spills.`,
    }
  }
  const who = beyond.map(({ tag, receiver }) => `${tag} at ${receiver}`).join(', ')
  const words = `Set powerDbm: ${chosen.powerDbm}${margin}, but it spills: ${who}. Turn the antenna away, shield it, or move it.`
  return { powerDbm: chosen.powerDbm, spills: true, words }
}

/**
 * The powers to try, weakest first.
 * @throws BioTrakrError READER_SETTINGS when the reader's power cannot be set, or the wish lies outside its limits
 */
export function powersToTry(
  { profile, powerDbm }: Pick<ReaderConfig, 'profile' | 'powerDbm'>,
  wish: { readonly from?: number; readonly to?: number; readonly step?: number },
): number[] {
  const limits = limitsOf(profile)
  const from = wish.from ?? limits.min
  // What is allowed with this antenna here, only the site knows: its configured power is the bound unless it says more.
  const to = wish.to ?? powerDbm
  if (to === undefined)
    throw unfit(
      'the configuration gives this reader no powerDbm',
      'Add it, or give --to: as much as the site may radiate.',
    )
  if (from < limits.min || to > limits.max || from > to) {
    throw unfit(`${from} to ${to} dBm is not within ${limits.min} to ${limits.max} dBm`, 'Give other --from and --to.')
  }
  const step = Math.max(limits.step, Math.round((wish.step ?? 1) / limits.step) * limits.step)
  const first = limits.min + Math.ceil((from - limits.min) / limits.step - 1e-9) * limits.step
  return Array.from({ length: Math.floor((to - first) / step + 1e-9) + 1 }, (_, n) =>
    Number((first + n * step).toFixed(2)),
  )
}

/** Over LLRP the reader rounds to the powers it has; the standard's own bounds are as wide. */
const LLRP_LIMITS = { min: 10, max: 33, step: 0.25 }

function limitsOf(profile: string): { readonly min: number; readonly max: number; readonly step: number } {
  const store = openProfiles(profile)
  if (store.isBuiltIn(store.id)) return LLRP_LIMITS
  const { powerDbm } = store.load(store.id).limits
  if (powerDbm) return powerDbm
  throw unfit(`the profile ${store.id} cannot set the power`, 'Set it with the tool of its maker.')
}

function unfit(message: string, next: string): BioTrakrError {
  return new BioTrakrError(message, { code: 'READER_SETTINGS', next })
}

export interface PowerTrial {
  readonly reader: ReaderConfig
  readonly receiver: ReceiverId
  readonly reference: TagId
  /** Tags that lie in the zones next door. */
  readonly neighbours: readonly TagId[]
  readonly powerDbm: number
  /** How long to read at this power, milliseconds. */
  readonly measureMs: number
  readonly clock: Clock
}

const START_MS = 15_000
const LOOK_MS = 20
const SECOND_MS = 1000

/**
 * Reads at one power and counts. The reader is set up anew for each, as the agent does it.
 * @throws BioTrakrError PORT_FAILED with the reader's own words when it does not run
 */
export async function tryPower({
  reader,
  receiver,
  reference,
  neighbours,
  powerDbm,
  measureMs,
  clock,
}: PowerTrial): Promise<PowerStep> {
  const counts = new Map<string, Count>()
  let sinceMs: number | undefined
  const heard = (reading: Reading): void => {
    if (sinceMs === undefined) return
    const key = `${reading.receiver}\n${reading.tag}`
    const count = counts.get(key) ?? {
      tag: reading.tag,
      receiver: reading.receiver,
      reads: 0,
      seconds: new Set<number>(),
    }
    count.reads += 1
    count.seconds.add(Math.floor((clock.monoMs() - sinceMs) / SECOND_MS))
    counts.set(key, count)
  }
  const source = openReader(
    { ...reader, powerDbm },
    { clock, allow: new Set([reference, ...neighbours]), random: Math.random, log: pino({ enabled: false }) },
  )
  await source.start(heard)
  try {
    await running(source, clock)
    sinceMs = clock.monoMs()
    await passed(clock, measureMs)
  } finally {
    await source.stop()
  }
  const seconds = measureMs / SECOND_MS
  const shareOf = (count: Count | undefined): number => Math.min(1, (count?.seconds.size ?? 0) / seconds)
  const own = counts.get(`${receiver}\n${reference}`)
  const spill = [...counts.values()]
    .filter((count) => count !== own && (count.receiver === receiver || count.tag === reference))
    .map((count) => ({ tag: count.tag, receiver: count.receiver, reads: count.reads, readShare: shareOf(count) }))
  return { powerDbm, seconds, reads: own?.reads ?? 0, readShare: shareOf(own), spill }
}

interface Count {
  readonly tag: TagId
  readonly receiver: ReceiverId
  reads: number
  readonly seconds: Set<number>
}

async function running(source: ReturnType<typeof openReader>, clock: Clock): Promise<void> {
  for (const endMs = clock.monoMs() + START_MS; ; await passed(clock, LOOK_MS)) {
    const { phase, detail, state } = source.status()
    if (phase === 'running') return
    if (state !== 'failed' && phase !== 'held' && clock.monoMs() < endMs) continue
    const next =
      phase === 'held'
        ? 'Add the region to this reader in the configuration: without it nothing may transmit.'
        : 'See the reason; biotrakr readers --probe asks what is at the port.'
    throw new BioTrakrError(`the reader does not run: ${detail}`, { code: 'PORT_FAILED', next })
  }
}

function passed(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve)
  })
}
