import { type Compression, type Epoch, formatEpoch, type GatewayId, type LedgerRecord, seqSpan } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import type { Directory, GatewayEntry, Lookup } from './directory.ts'
import { type Draft, place, quarantinedRecord, type Stream, type Writers } from './draft.ts'
import { createPositionDraft, type NewestKnown } from './positions.ts'
import { bootsOf, createStaging, type KnownMoment, knownMoments, timeAfter, withKnownTime } from './record-time.ts'
import { beginLocked, moveWatermarks, type Watermark } from './watermarks.ts'
import { writeDraft } from './write-draft.ts'

/** A run of one gateway and epoch to be recorded. */
export interface Run {
  readonly gateway: GatewayId
  readonly epoch: Epoch
  readonly first: number
  readonly last: number
  /** The batch as it was sent; goes to the quarantine when its content cannot be read. */
  readonly bytes: Uint8Array
  readonly content:
    | { readonly ok: true; readonly records: readonly LedgerRecord[] }
    | { readonly ok: false; readonly code: string; readonly detail: string }
}

interface QuarantinedRun {
  readonly first: number
  readonly last: number
  readonly code: string
}

/** What became of the runs of one gateway and epoch. */
export type Outcome<R extends Run> =
  | {
      readonly kind: 'recorded'
      readonly gateway: GatewayId
      readonly epoch: Epoch
      /** Everything up to here is committed. */
      readonly hw: number
      readonly quarantined: readonly QuarantinedRun[]
      readonly runs: readonly R[]
      /** Nothing of it was new. */
      readonly isRepeated: boolean
    }
  /** Begins after `hw + 1`: what lies between has not come yet. */
  | { readonly kind: 'early'; readonly run: R; readonly hw: number }
  | { readonly kind: 'refused'; readonly gateway: GatewayId; readonly code: 'GATEWAY_UNKNOWN' | 'GATEWAY_BLOCKED' }

/** Rows written, by kind, of one committed transaction. */
export interface Tally {
  readonly fixes: number
  readonly sensors: number
  readonly events: number
  readonly health: number
  readonly gaps: number
  readonly anchors: number
  /** Rows of records that wait for their time. */
  readonly staged: number
  readonly quarantined: Readonly<Record<string, number>>
  /** Records that had been committed before. */
  readonly repeated: number
}

export interface Committed<R extends Run> {
  readonly outcomes: readonly Outcome<R>[]
  readonly tally: Tally
}

export interface Recording {
  readonly directory: Directory
  readonly newestKnown: NewestKnown
  readonly writers: Writers
  readonly compression: Compression
  readonly wallMs: number
}

/**
 * Records runs of any number of gateways in one transaction. The rows of `rtls.watermark` are locked in one order by
 * every ingester, so that two of them wait instead of deadlocking; what lies at or below a watermark is left out, what
 * begins beyond it is not taken, and the watermark moves in the same commit as the rows.
 * @throws the database's own error; nothing of the set is then stored
 */
export async function commitRuns<R extends Run>(
  client: ClientBase,
  runs: readonly R[],
  recording: Recording,
): Promise<Committed<R>> {
  const { directory } = recording
  await directory.loadGateways(
    client,
    runs.map((run) => run.gateway),
  )
  const { groups, refused } = groupRuns(runs, directory)
  for (const group of groups) {
    for (const run of group.runs) {
      if (run.content.ok) await directory.loadNames(client, group.gateway, run.content.records)
    }
  }
  if (groups.length === 0) return { outcomes: refused, tally: tallyOf(emptyDraft(recording), 0) }
  await beginLocked(client, groups)
  for (const group of groups) await loadMoments(client, group)
  const draft = emptyDraft(recording)
  const outcomes: Outcome<R>[] = [...refused]
  let repeated = 0
  for (const group of groups) {
    const advance = draftGroup(draft, group, recording)
    repeated += advance.repeated
    outcomes.push(...advance.outcomes)
  }
  await writeDraft(client, draft)
  await moveWatermarks(client, groups)
  const ended = await client.query('commit')
  if (ended.command !== 'COMMIT') throw new Error(`the transaction ended with ${ended.command}`)
  draft.positions.remember()
  return { outcomes, tally: tallyOf(draft, repeated) }
}

export function emptyDraft({ writers, newestKnown }: Pick<Recording, 'writers' | 'newestKnown'>): Draft {
  for (const writer of [writers.fixes, writers.sensors, writers.events, writers.health]) writer.reset()
  return { writers, positions: createPositionDraft(newestKnown), gaps: [], anchors: [], quarantine: [], staged: [] }
}

/** Runs of one watermark row. */
interface Group<R extends Run> extends Watermark {
  readonly epoch: Epoch
  readonly runs: R[]
  /** Moments with a known time, by boot, as far as records of a stretch without one are at hand. */
  moments: ReadonlyMap<string, readonly KnownMoment[]>
}

async function loadMoments(client: ClientBase, group: Group<Run>): Promise<void> {
  const boots = group.runs.flatMap((run) => (run.content.ok ? bootsOf(group.unknownTime, run.content.records) : []))
  group.moments = await knownMoments(client, group.gateway.id, [...new Set(boots)])
}

function groupRuns<R extends Run>(runs: readonly R[], directory: Directory) {
  const groups = new Map<string, Group<R>>()
  const refused = new Map<GatewayId, Outcome<R>>()
  for (const run of runs) {
    const gateway = directory.gateway(run.gateway)
    if (!gateway || gateway.barred) {
      const code = gateway ? 'GATEWAY_BLOCKED' : 'GATEWAY_UNKNOWN'
      refused.set(run.gateway, { kind: 'refused', gateway: run.gateway, code })
      continue
    }
    const epochText = formatEpoch(run.epoch)
    const key = `${gateway.id}/${epochText}`
    const group = groups.get(key) ?? newGroup<R>(gateway, run.epoch, epochText)
    groups.set(key, group)
    group.runs.push(run)
  }
  for (const group of groups.values()) group.runs.sort((a, b) => a.first - b.first || a.last - b.last)
  return { groups: [...groups.values()], refused: [...refused.values()] }
}

function newGroup<R extends Run>(gateway: GatewayEntry, epoch: Epoch, epochText: string): Group<R> {
  const nothing = { streamId: 0, hw: 0, rows: 0, quarantined: 0, firstMs: Infinity, newestMs: -Infinity }
  return { gateway, epoch, epochText, runs: [], ...nothing, unknownTime: undefined, moments: new Map() }
}

function draftGroup<R extends Run>(draft: Draft, group: Group<R>, recording: Recording) {
  const stream: Stream = { id: group.streamId, gateway: group.gateway, epoch: group.epoch }
  const lookup = recording.directory.lookup(group.gateway)
  const recorded: R[] = []
  const early: Outcome<R>[] = []
  let repeated = 0
  const from = draft.quarantine.length
  const before = group.hw
  for (const run of group.runs) {
    if (run.first > group.hw + 1) {
      early.push({ kind: 'early', run, hw: group.hw })
      continue
    }
    repeated += Math.min(group.hw, run.last) - run.first + 1
    recorded.push(run)
    if (run.last <= group.hw) continue
    if (run.content.ok)
      draftRecords(draft, group, { records: run.content.records, first: run.first, stream, lookup, recording })
    else setRunAside(draft, group, { ...run, ...run.content, stream })
    group.hw = run.last
  }
  const quarantined = mergeRuns(draft.quarantine.slice(from))
  const { hw } = group
  const outcomes: Outcome<R>[] = early
  if (recorded.length > 0) {
    outcomes.push({
      kind: 'recorded',
      gateway: group.gateway.name,
      epoch: group.epoch,
      hw,
      quarantined,
      runs: recorded,
      isRepeated: hw === before,
    })
  }
  return { outcomes, repeated }
}

interface RecordsOfRun {
  readonly records: readonly LedgerRecord[]
  readonly first: number
  readonly stream: Stream
  readonly lookup: Lookup
  readonly recording: Recording
}

function draftRecords(draft: Draft, group: Group<Run>, run: RecordsOfRun): void {
  const { stream, lookup, recording } = run
  const { wallMs, compression } = recording
  const at = { stream, lookup, nowMs: wallMs, receivedMs: wallMs, anyTime: false, seq: 0, tagId: 0, roomId: null }
  const staging = createStaging(draft.staged, stream, compression)
  let next = run.first
  for (const record of run.records) {
    const last = next + seqSpan(record) - 1
    // A gap may have begun before the watermark; the rest of it is what counts.
    const first = Math.max(next, group.hw + 1)
    next = last + 1
    if (last < first) continue
    at.seq = first
    const time = group.unknownTime
    const whole = timed(record.kind === 'gap' ? { ...record, count: last - first + 1 } : record, group)
    if (!whole) {
      if (time) staging.add(record, first, time)
      continue
    }
    const rejection = place(draft, whole, at)
    if (!rejection) {
      account(group, whole)
      continue
    }
    draft.quarantine.push(quarantinedRecord(whole, rejection, { stream, seq: first, compression }))
    group.quarantined += 1
    // An anchor that cannot be believed still ties what follows it to the time since boot.
    if (whole.kind === 'anchor') group.unknownTime = timeAfter({ ...whole, unsynced: true })
  }
  staging.close()
}

/** Enters a record that was placed in what its watermark row says. */
function account(group: Group<Run>, record: LedgerRecord): void {
  if (!('atMs' in record)) return
  group.rows += 1
  if (record.kind === 'anchor') {
    group.unknownTime = timeAfter(record)
    return
  }
  group.firstMs = Math.min(group.firstMs, record.atMs)
  group.newestMs = Math.max(group.newestMs, record.atMs)
}

/** @returns the record with its right time; undefined when that is not known yet */
function timed(record: LedgerRecord, { unknownTime, moments }: Group<Run>): LedgerRecord | undefined {
  if (!unknownTime || record.kind === 'anchor') return record
  return withKnownTime(record, unknownTime, moments.get(unknownTime.bootId) ?? [])
}

interface UnreadableRun extends Omit<Run, 'content' | 'epoch'> {
  readonly code: string
  readonly detail: string
  readonly stream: Stream
}

function setRunAside(draft: Draft, group: Group<Run>, run: UnreadableRun): void {
  const first = Math.max(run.first, group.hw + 1)
  group.quarantined += run.last - first + 1
  draft.quarantine.push({
    orgId: group.gateway.orgId,
    gateway: run.gateway,
    streamId: group.streamId,
    first,
    last: run.last,
    level: 'batch',
    code: run.code,
    detail: run.detail,
    payload: run.bytes,
  })
}

/** Neighbouring runs of one code become one, so that an acknowledgement stays small. */
function mergeRuns(rows: readonly { first: number | null; last: number | null; code: string }[]): QuarantinedRun[] {
  const merged: { first: number; last: number; code: string }[] = []
  for (const { first, last, code } of rows) {
    if (first === null || last === null) continue
    const previous = merged.at(-1)
    if (previous?.code === code && previous.last + 1 === first) previous.last = last
    else merged.push({ first, last, code })
  }
  return merged
}

function tallyOf({ writers, gaps, anchors, quarantine, staged }: Draft, repeated: number): Tally {
  const quarantined: Record<string, number> = {}
  for (const row of quarantine) quarantined[row.code] = (quarantined[row.code] ?? 0) + 1
  return {
    fixes: writers.fixes.rows,
    sensors: writers.sensors.rows,
    events: writers.events.rows,
    health: writers.health.rows,
    gaps: gaps.length,
    anchors: anchors.length,
    staged: staged.length,
    quarantined,
    repeated,
  }
}
