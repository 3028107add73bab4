import type { ClientBase } from 'pg'

import type { FindingCode, Findings } from './findings.ts'
import type { HistoryFile } from './history-file.ts'

/** What becomes of a row. */
export const FATE = { good: 0, bad: 1, duplicate: 2 } as const

/** A time in which an asset wore none of the tags that we know, so that it is given one of its own. */
interface LegacySpan {
  readonly assetTag: string
  readonly assetId: string
  readonly fromMs: number
  toMs: number
}

export interface HistoryPlan {
  /** Indices of rows in the order of time; a row's rank there is its number in the stream. */
  readonly order: Uint32Array
  readonly fate: Uint8Array
  /** Id of the tag; below 0: -1 - the index of the asset in `legacy`. */
  readonly tag: Int32Array
  readonly roomIds: readonly (number | undefined)[]
  readonly spanMs: Int32Array
  /** Asset tags that are given a tag of their own, with its id where it has one already. */
  readonly legacy: readonly { readonly assetTag: string; id: number | undefined }[]
  readonly spans: readonly LegacySpan[]
  readonly good: number
  readonly duplicates: number
}

interface PlanOptions {
  readonly findings: Findings
  readonly nowMs: number
  /** A row without a span counts from the row before it, when at most this lies between. */
  readonly maxGapMs: number
}

const AHEAD_MS = 5 * 60_000
/** Of one row that stands alone. */
const LAST_MS = 1_000

/** Decides of every row; the same for the same file, whatever was imported of it already. */
export function planHistory(file: HistoryFile, known: Known, options: PlanOptions): HistoryPlan {
  const order = orderOf(file)
  const fate = new Uint8Array(file.count)
  markBad(file, fate, { ...options, known })
  const { tag, legacy, spans } = tagsOf(file, { order, fate, known })
  const duplicates = markDuplicates(file, { order, fate, tag, findings: options.findings })
  const spanMs = spansOf(file, { order, fate, tag, maxGapMs: options.maxGapMs })
  let good = 0
  for (const each of fate) if (each === FATE.good) good += 1
  return { order, fate, tag, roomIds: known.rooms, spanMs, legacy, spans, good, duplicates }
}

interface Worn {
  readonly tagId: number
  readonly fromMs: number
  readonly toMs: number
}

interface Subject {
  /** Of a tag. */
  readonly tagId?: number
  readonly asset?: {
    readonly id: string
    readonly tag: string
    readonly worn: readonly Worn[]
    readonly legacyId: number | undefined
  }
}

interface Known {
  /** By index of the file's subjects; undefined for what is not there. */
  readonly subjects: readonly (Subject | undefined)[]
  readonly rooms: readonly (number | undefined)[]
}

/** Looks up all that a file names. */
export async function readKnown(
  client: ClientBase,
  { subjects, rooms }: HistoryFile,
  facilityId: number,
): Promise<Known> {
  const map = async <T>(sql: string, values: unknown[]) =>
    new Map((await client.query<{ key: string } & T>(sql, values)).rows.map((row) => [row.key, row]))
  const identities = subjects.flatMap((name) => (name.startsWith('t') ? name.slice(1) : `legacy:${name.slice(1)}`))
  const tags = await map<{ id: number }>('select identity as key, id from rtls.tag where identity = any ($1)', [
    identities,
  ])
  const assets = await map<{ id: string; worn: Worn[] | null }>(
    `select a.asset_tag as key, a.id, (select json_agg(json_build_object('tagId', w.tag_id,
         'fromMs', extract(epoch from w.from_t) * 1000, 'toMs', extract(epoch from w.to_t) * 1000) order by w.from_t)
       from rtls.tag_assignment w where w.org_id = a.org_id and w.asset_id = a.id and w.is_primary) as worn
     from asset.asset a where a.asset_tag = any ($1) and a.deleted_at is null`,
    [subjects.flatMap((name) => (name.startsWith('a') ? [name.slice(1)] : []))],
  )
  const places = await map<{ id: number }>(
    'select code as key, id from site.room where facility_id = $1 and code = any ($2)',
    [facilityId, rooms],
  )
  const subjectOf = (name: string): Subject | undefined => {
    const key = name.slice(1)
    const tagId = tags.get(key)?.id
    if (name.startsWith('t')) return tagId === undefined ? undefined : { tagId }
    const asset = assets.get(key)
    if (!asset) return undefined
    const worn = (asset.worn ?? []).map((each) => ({ ...each, toMs: each.toMs ?? Number.POSITIVE_INFINITY }))
    return { asset: { id: asset.id, tag: key, worn, legacyId: tags.get(`legacy:${key}`)?.id } }
  }
  return { subjects: subjects.map(subjectOf), rooms: rooms.map((code) => places.get(code)?.id) }
}

/** By time, rows of one time as they stand in the file, those without one at the end. */
function orderOf({ timeMs, count }: HistoryFile): Uint32Array {
  const order = new Uint32Array(count)
  let isSorted = true
  for (let i = 0; i < count; i++) {
    order[i] = i
    if (i > 0 && !((timeMs[i - 1] ?? 0) <= (timeMs[i] ?? 0))) isSorted = false
  }
  if (isSorted) return order
  const at = (i: number) => {
    const ms = timeMs[i] ?? Number.NaN
    return Number.isNaN(ms) ? Number.MAX_VALUE : ms
  }
  return order.sort((a, b) => at(a) - at(b) || a - b)
}

interface Complaint {
  readonly column: string
  readonly code: FindingCode
  readonly message: string
  readonly value: string
}

function markBad(
  file: HistoryFile,
  fate: Uint8Array,
  { findings, nowMs, known }: PlanOptions & { readonly known: Known },
): void {
  const latestMs = nowMs + AHEAD_MS
  const badSubjects = file.subjects.map((name, n) => (known.subjects[n] ? undefined : unknownSubject(name)))
  const badRooms = file.rooms.map((value, n) => (known.rooms[n] === undefined ? unknownRoom(value) : undefined))
  for (let i = 0; i < file.count; i++) {
    const row = file.rowNo[i] ?? 0
    const ms = file.timeMs[i] ?? Number.NaN
    const complaints = [badSubjects[file.subject[i] ?? -1], badRooms[file.room[i] ?? -1], ms > latestMs && inFuture(ms)]
    for (const complaint of complaints) if (complaint) findings.add({ row, ...complaint })
    if (findings.rows.size > 0 && findings.rows.has(row)) fate[i] = FATE.bad
  }
}

function unknownSubject(name: string): Complaint {
  const isTag = name.startsWith('t')
  const message = `must name ${isTag ? 'a tag' : 'an asset'} that is there`
  return { column: isTag ? 'tag' : 'asset_tag', code: 'UNKNOWN_REF', message, value: name.slice(1) }
}

function unknownRoom(value: string): Complaint {
  return { column: 'room', code: 'UNKNOWN_REF', message: 'must name a room of this facility', value }
}

function inFuture(ms: number): Complaint {
  return { column: 'time', code: 'RANGE', message: 'must not lie in the future', value: new Date(ms).toISOString() }
}

interface Walk {
  readonly order: Uint32Array
  readonly fate: Uint8Array
}

function tagsOf(file: HistoryFile, { order, fate, known }: Walk & { readonly known: Known }) {
  const tag = new Int32Array(file.count)
  const legacy: { assetTag: string; id: number | undefined }[] = []
  const legacyOf = new Map<number, number>()
  const spans = new Map<string, LegacySpan>()
  for (const i of order) {
    if (fate[i] !== FATE.good) continue
    const index = file.subject[i] ?? -1
    const subject = known.subjects[index]
    const ms = file.timeMs[i] ?? 0
    const asset = subject?.asset
    if (asset === undefined) {
      tag[i] = subject?.tagId ?? 0
      continue
    }
    const worn = asset.worn.find(({ fromMs, toMs }) => fromMs <= ms && ms < toMs)
    if (worn) {
      tag[i] = worn.tagId
      continue
    }
    const place = legacyOf.get(index) ?? legacy.push({ assetTag: asset.tag, id: asset.legacyId }) - 1
    legacyOf.set(index, place)
    tag[i] = -1 - place
    const next = asset.worn.find(({ fromMs }) => fromMs > ms)?.fromMs ?? Number.POSITIVE_INFINITY
    const span = spans.get(`${index} ${next}`)
    // In the order of time: only the end moves.
    if (span) span.toMs = Math.min(ms + LAST_MS, next)
    else {
      const toMs = Math.min(ms + LAST_MS, next)
      spans.set(`${index} ${next}`, { assetTag: asset.tag, assetId: asset.id, fromMs: ms, toMs })
    }
  }
  return { tag, legacy, spans: [...spans.values()] }
}

interface Marking extends Walk {
  readonly tag: Int32Array
}

/** Of one tag at one time: the same room twice is once; two rooms is a mistake. @returns rows that are there twice */
function markDuplicates(
  file: HistoryFile,
  { order, fate, tag, findings }: Marking & { readonly findings: Findings },
): number {
  let duplicates = 0
  const seen = { rooms: new Map<number, number>(), ms: Number.NaN }
  for (let n = 0; n < order.length; n++) {
    const i = order[n] ?? 0
    if (fate[i] !== FATE.good || isAlone(file, order, n)) continue
    const before = roomBefore(file, seen, { i, who: tag[i] ?? 0 })
    if (before === undefined) continue
    const isSame = before === file.room[i]
    fate[i] = isSame ? FATE.duplicate : FATE.bad
    if (isSame) duplicates += 1
    else findings.add({ row: file.rowNo[i] ?? 0, ...inTwoRooms(file, before, file.room[i]) })
  }
  return duplicates
}

interface Seen {
  /** By tag, of rows of the time `ms`. */
  rooms: Map<number, number>
  ms: number
}

/** Where a row of the same time had the same tag; from now on this row counts where there was none. */
function roomBefore(
  file: HistoryFile,
  seen: Seen,
  { i, who }: { readonly i: number; readonly who: number },
): number | undefined {
  const ms = file.timeMs[i] ?? Number.NaN
  if (ms !== seen.ms) seen.rooms = new Map()
  seen.ms = ms
  const before = seen.rooms.get(who)
  if (before === undefined) seen.rooms.set(who, file.room[i] ?? -1)
  return before
}

function inTwoRooms({ rooms }: HistoryFile, before: number, room = -1): Complaint {
  const message = `was in ${rooms[before]} at that very time, says another row`
  return { column: 'room', code: 'CONFLICT', message, value: rooms[room] ?? '' }
}

/** No other row has its time. */
function isAlone({ timeMs }: HistoryFile, order: Uint32Array, n: number): boolean {
  const ms = timeMs[order[n] ?? -1]
  return ms !== timeMs[order[n - 1] ?? -1] && ms !== timeMs[order[n + 1] ?? -1]
}

function spansOf(
  file: HistoryFile,
  { order, fate, tag, maxGapMs }: Marking & { readonly maxGapMs: number },
): Int32Array {
  const spans = new Int32Array(file.count)
  const last = new Map<number, number>()
  for (const i of order) {
    if (fate[i] !== FATE.good) continue
    const who = tag[i] ?? 0
    const ms = file.timeMs[i] ?? 0
    const gap = ms - (last.get(who) ?? Number.NEGATIVE_INFINITY)
    last.set(who, ms)
    const said = file.spanMs[i] ?? -1
    spans[i] = said >= 0 ? said : gap <= maxGapMs ? gap : 0
  }
  return spans
}
