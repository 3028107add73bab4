import type { Fix, GatewayId, Method, Reason, RoomId, TagId } from '@biotrakr/shared'

/** The newest that is known of one tag. */
export interface Place {
  readonly tag: TagId
  /** Code of the facility; a room's code is unique within it. */
  readonly facility: string
  readonly room: RoomId | null
  readonly reason: Reason
  readonly method: Method
  /** Per mille, 0-1000. */
  readonly confidence: number
  /** Event times, wall milliseconds. */
  readonly atMs: number
  readonly sinceMs: number
  /** The room before this one, as far as it was seen. */
  readonly lastRoom: RoomId | null
  /** Metres. */
  readonly x: number | null
  readonly y: number | null
  readonly accuracy: number | null
  readonly mapVersion: number
}

/** What the database knows: who may speak, what may be named, and every tag's newest committed place. */
export interface BoardSource {
  readonly gateways: readonly { readonly name: GatewayId; readonly facility: string }[]
  readonly rooms: readonly { readonly facility: string; readonly code: RoomId; readonly name: string }[]
  readonly tags: readonly {
    readonly identity: TagId
    readonly label: string | null
    /** A person wears it: its alarms are told, where it is is not. */
    readonly isOnPerson?: boolean
  }[]
  readonly places: readonly Place[]
}

/** Fixes of the live lane by what became of them. */
export interface HeardCounters {
  taken: number
  /** Not newer than what was known. */
  stale: number
  /** Dated in the future: taken, it would keep every later fix out until then. */
  ahead: number
  unknownTag: number
  unknownRoom: number
  /** Of a tag that a person wears. */
  onPerson: number
}

export interface Board {
  /** True for a gateway of this organisation that is neither blocked nor retired. */
  knows(gateway: GatewayId): boolean
  /** Code of the facility of such a gateway. */
  facilityOf(gateway: GatewayId): string | undefined
  knowsTag(tag: TagId): boolean
  knowsRoom(facility: string, room: RoomId): boolean
  /** Fixes of a gateway that `knows` knows. */
  hear(gateway: GatewayId, fixes: readonly Fix[], nowMs: number): void
  /** What the database says now; heals whatever the live lane lost. */
  replace(source: BoardSource): void
  /** Places in no particular order. */
  places(): Iterable<Readonly<Entry>>
  place(tag: TagId): Readonly<Entry> | undefined
  /** Tags in each room now, to be asked by facility and room. */
  counts(): (facility: string, room: RoomId) => number
  /**
   * Ends a step: gives the places that changed since the last one the number of this step.
   * @returns the tags worth telling of
   */
  step(): readonly TagId[]
  /** Number of the newest step, 0 before the first. */
  version(): number
  /** Step at which tags, rooms or their names changed, or a tag went away: whatever was learnt before it is void. */
  resetVersion(): number
  newestMs(): number | undefined
  tags(): number
  readonly counters: Readonly<HeardCounters>
}

interface Entry {
  place: Place
  /** Step at which it last changed in a way worth telling. */
  version: number
  /** As of that step; undefined before the first. */
  told: Place | undefined
}

/** As the ingester's rule for the current position. */
const MAX_AHEAD_MS = 5_000
/** A tag that stays where it is, is told again no more often than this: a viewer counts its age by itself. */
const REPEAT_MS = 5_000
const CONFIDENCE_STEP = 50

/** Newest place of every tag of one organisation; its size is bounded by the tags that `replace` names. */
export function createBoard(): Board {
  const counters: HeardCounters = { taken: 0, stale: 0, ahead: 0, unknownTag: 0, unknownRoom: 0, onPerson: 0 }
  const entries = new Map<TagId, Entry>()
  const changed = new Set<TagId>()
  let facilities: ReadonlyMap<GatewayId, string> = new Map()
  let known = indexOf({ gateways: [], rooms: [], tags: [], places: [] })
  let version = 0
  let resetVersion = 0
  let newestMs: number | undefined

  const put = (place: Place) => {
    newestMs = Math.max(newestMs ?? 0, place.atMs)
    const entry = entries.get(place.tag)
    if (!entry) {
      entries.set(place.tag, { place, version: 0, told: undefined })
      changed.add(place.tag)
      return
    }
    if (isWorthTelling(entry.told, place)) changed.add(place.tag)
    entry.place = place
  }

  const knowsRoom = (facility: string, room: RoomId) => known.rooms.has(roomKey(facility, room))

  const verdict = (facility: string, fix: Fix, nowMs: number): keyof HeardCounters => {
    if (!known.shown.has(fix.tag)) return known.tags.has(fix.tag) ? 'onPerson' : 'unknownTag'
    if (fix.room !== null && !knowsRoom(facility, fix.room)) return 'unknownRoom'
    if (fix.atMs > nowMs + MAX_AHEAD_MS) return 'ahead'
    const before = entries.get(fix.tag)?.place
    return before && !isNewer(fix, before) ? 'stale' : 'taken'
  }

  return {
    knows: (gateway) => facilities.has(gateway),
    facilityOf: (gateway) => facilities.get(gateway),
    knowsTag: (tag) => known.tags.has(tag),
    knowsRoom,
    hear: (gateway, fixes, nowMs) => {
      const facility = facilities.get(gateway)
      if (facility === undefined) return
      for (const fix of fixes) {
        const found = verdict(facility, fix, nowMs)
        counters[found] += 1
        if (found === 'taken') put(placeOf(fix, facility, entries.get(fix.tag)?.place))
      }
    },
    replace: (source) => {
      facilities = new Map(source.gateways.map(({ name, facility }) => [name, facility]))
      const next = indexOf(source)
      if (next.names !== known.names) resetVersion = version + 1
      known = next
      for (const tag of entries.keys()) if (!known.shown.has(tag)) entries.delete(tag)
      for (const place of source.places) {
        const before = entries.get(place.tag)?.place
        if (known.shown.has(place.tag) && (!before || isNewer(place, before))) put(place)
      }
    },
    places: () => entries.values(),
    place: (tag) => entries.get(tag),
    counts: () => countRooms(entries.values()),
    step: () => {
      if (changed.size === 0 && resetVersion <= version) return []
      version += 1
      const told = [...changed].filter((tag) => entries.has(tag))
      changed.clear()
      for (const tag of told) tell(entries.get(tag), version)
      return told
    },
    version: () => version,
    resetVersion: () => resetVersion,
    newestMs: () => newestMs,
    tags: () => known.tags.size,
    counters,
  }
}

function tell(entry: Entry | undefined, version: number): void {
  if (!entry) return
  entry.version = version
  entry.told = entry.place
}

interface Known {
  readonly tags: ReadonlySet<TagId>
  /** Of these, the ones that no person wears. */
  readonly shown: ReadonlySet<TagId>
  readonly rooms: ReadonlySet<string>
  /** All that a viewer shows besides places, and whose places it may show, as one text to compare. */
  readonly names: string
}

function indexOf({ tags, rooms }: BoardSource): Known {
  return {
    tags: new Set(tags.map(({ identity }) => identity)),
    shown: new Set(tags.filter(({ isOnPerson }) => !isOnPerson).map(({ identity }) => identity)),
    rooms: new Set(rooms.map(({ facility, code }) => roomKey(facility, code))),
    names: JSON.stringify([
      rooms.map(({ facility, code, name }) => [facility, code, name]),
      tags.map(({ identity, label, isOnPerson }) => [identity, label, isOnPerson === true]),
    ]),
  }
}

function roomKey(facility: string, room: RoomId): string {
  return JSON.stringify([facility, room])
}

/** The same order as the ingester's, but for the stream, which the live lane does not have. */
function isNewer(
  next: { readonly atMs: number; readonly confidence: number },
  before: { readonly atMs: number; readonly confidence: number },
): boolean {
  return next.atMs > before.atMs || (next.atMs === before.atMs && next.confidence > before.confidence)
}

function isWorthTelling(told: Place | undefined, next: Place): boolean {
  return (
    told === undefined ||
    next.room !== told.room ||
    next.facility !== told.facility ||
    next.reason !== told.reason ||
    Math.abs(next.confidence - told.confidence) >= CONFIDENCE_STEP ||
    next.atMs - told.atMs >= REPEAT_MS
  )
}

function countRooms(entries: Iterable<Entry>): (facility: string, room: RoomId) => number {
  const counts = new Map<string, number>()
  for (const { place } of entries) {
    if (place.room === null) continue
    const key = roomKey(place.facility, place.room)
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return (facility, room) => counts.get(roomKey(facility, room)) ?? 0
}

function placeOf(fix: Fix, facility: string, before: Place | undefined): Place {
  const stays = before !== undefined && before.room === fix.room && before.facility === facility
  const left = before?.facility === facility ? (before.room ?? before.lastRoom) : null
  return {
    tag: fix.tag,
    facility,
    room: fix.room,
    reason: fix.reason,
    method: fix.method,
    confidence: fix.confidence,
    atMs: fix.atMs,
    sinceMs: stays ? before.sinceMs : fix.atMs,
    lastRoom: stays ? before.lastRoom : left,
    x: metres(fix.xCm),
    y: metres(fix.yCm),
    accuracy: metres(fix.accuracyCm),
    mapVersion: fix.mapVersion,
  }
}

function metres(centimetres: number | undefined): number | null {
  return centimetres === undefined ? null : centimetres / 100
}
