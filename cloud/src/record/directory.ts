import type { Clock, GatewayId, LedgerRecord, RoomId, TagId } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

export interface GatewayEntry {
  readonly id: number
  readonly orgId: number
  readonly facilityId: number
  readonly name: GatewayId
  /** Not enrolled, blocked or retired: nothing of it is taken. */
  readonly barred: boolean
}

/** Names to the integer keys of the database, as one gateway may use them. */
export interface Lookup {
  tag(identity: TagId): number | undefined
  room(code: RoomId): number | undefined
}

export interface Directory {
  /**
   * First step of a set: reads the gateways named; `gateway` answers from memory afterwards. Read anew for every set, so
   * that nothing is taken any more from a gateway once it is blocked.
   */
  loadGateways(client: ClientBase, names: Iterable<GatewayId>): Promise<void>
  gateway(name: GatewayId): GatewayEntry | undefined
  /** Looks for the tags and rooms of these records that are not yet known, at most every `missMs` for the same name. */
  loadNames(client: ClientBase, gateway: GatewayEntry, records: readonly LedgerRecord[]): Promise<void>
  lookup(gateway: GatewayEntry): Lookup
  /** Forgets everything, for when the database may be another one than before. */
  clear(): void
}

/** How long a name that was not found is not asked for again. */
const MISS_MS = 3_000
const MAX_GATEWAYS = 20_000
const MAX_TAGS = 500_000
const MAX_MISSES = 100_000

interface Names {
  readonly ids: Map<string, number>
  readonly misses: Set<string>
  missesSinceMs: number
}

/** Cached names of gateways, tags (per organisation) and rooms (per facility). All maps are bounded by being emptied. */
export function createDirectory(clock: Clock): Directory {
  const gateways = new Map<GatewayId, GatewayEntry>()
  const tags = new Map<number, Names>()
  const rooms = new Map<number, Names>()

  /** Only before a set is looked up: emptied in the middle, a map would make known tags of the same set unknown. */
  const trim = () => {
    if (gateways.size > MAX_GATEWAYS) gateways.clear()
    if ([...tags.values()].reduce((sum, names) => sum + names.ids.size, 0) > MAX_TAGS) tags.clear()
    if ([...rooms.values()].reduce((sum, names) => sum + names.ids.size, 0) > MAX_TAGS) rooms.clear()
  }

  const loadGateways = async (client: ClientBase, names: Iterable<GatewayId>) => {
    trim()
    const wanted = [...new Set(names)]
    const found = await client.query<GatewayRow>({
      name: 'gateways',
      text: 'select id, org_id, facility_id, name, status from site.gateway where name = any($1)',
      values: [wanted],
    })
    for (const name of wanted) gateways.delete(name)
    for (const row of found.rows) gateways.set(row.name, gatewayEntry(row))
  }

  const loadNames: Directory['loadNames'] = async (client, gateway, records) => {
    const nowMs = clock.monoMs()
    const knownTags = namesOf(tags, gateway.orgId, nowMs)
    const knownRooms = namesOf(rooms, gateway.facilityId, nowMs)
    const newTags = new Set<string>()
    const newRooms = new Set<string>()
    for (const record of records) {
      if (!('tag' in record)) continue
      if (isNew(knownTags, record.tag)) newTags.add(record.tag)
      if (record.room !== null && isNew(knownRooms, record.room)) newRooms.add(record.room)
    }
    await learn(client, knownTags, { wanted: newTags, ...TAG_QUERY, owner: gateway.orgId })
    await learn(client, knownRooms, { wanted: newRooms, ...ROOM_QUERY, owner: gateway.facilityId })
  }

  return {
    loadGateways,
    gateway: (name) => gateways.get(name),
    loadNames,
    lookup: (gateway) => {
      const knownTags = tags.get(gateway.orgId)?.ids
      const knownRooms = rooms.get(gateway.facilityId)?.ids
      return { tag: (identity) => knownTags?.get(identity), room: (code) => knownRooms?.get(code) }
    },
    clear: () => {
      gateways.clear()
      tags.clear()
      rooms.clear()
    },
  }
}

interface GatewayRow {
  id: number
  org_id: number
  facility_id: number
  name: GatewayId
  status: string
}

function gatewayEntry(row: GatewayRow): GatewayEntry {
  return {
    id: row.id,
    orgId: row.org_id,
    facilityId: row.facility_id,
    name: row.name,
    barred: row.status !== 'active' && row.status !== 'offline',
  }
}

const TAG_QUERY = {
  name: 'tags',
  text: 'select identity as name, id from rtls.tag where org_id = $1 and identity = any($2)',
}
const ROOM_QUERY = {
  name: 'rooms',
  text: 'select code as name, id from site.room where facility_id = $1 and code = any($2)',
}

interface NameQuery {
  readonly name: string
  readonly text: string
  readonly owner: number
  readonly wanted: ReadonlySet<string>
}

async function learn(client: ClientBase, names: Names, query: NameQuery): Promise<void> {
  if (query.wanted.size === 0) return
  const values = [query.owner, [...query.wanted]]
  const found = await client.query<{ name: string; id: number }>({ name: query.name, text: query.text, values })
  if (names.misses.size + query.wanted.size > MAX_MISSES) names.misses.clear()
  for (const row of found.rows) names.ids.set(row.name, row.id)
  for (const name of query.wanted) if (!names.ids.has(name)) names.misses.add(name)
}

function namesOf(all: Map<number, Names>, owner: number, nowMs: number): Names {
  let names = all.get(owner)
  if (!names) {
    names = { ids: new Map(), misses: new Set(), missesSinceMs: nowMs }
    all.set(owner, names)
  }
  if (nowMs - names.missesSinceMs > MISS_MS) {
    names.misses.clear()
    names.missesSinceMs = nowMs
  }
  return names
}

function isNew(names: Names, name: string): boolean {
  return !names.ids.has(name) && !names.misses.has(name)
}
