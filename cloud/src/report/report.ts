import type { GatewayId, RoomId, TagId } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { type CareFacts, readCareFacts } from './facts.ts'
import {
  type NamedRoom,
  POSITION_COLUMNS,
  POSITION_SOURCE,
  type PositionRow,
  positionOf,
  type StoredPosition,
} from './places.ts'
import type { TenantReader } from './tenant.ts'

interface TagRow {
  readonly identity: TagId
  readonly label: string | null
  readonly kind: string
  readonly status: string
}

interface RoomRow {
  readonly facility: string
  readonly code: RoomId
  readonly name: string
  readonly kind: string
}

/** What is watched live: whose messages count, and what they may name. */
export interface Overview {
  readonly gateways: readonly { readonly name: GatewayId; readonly facility: string }[]
  readonly rooms: readonly (NamedRoom & { readonly facility: string })[]
  readonly tags: readonly { readonly identity: TagId; readonly label: string | null; readonly isOnPerson: boolean }[]
  readonly positions: readonly StoredPosition[]
}

/** A key of the row after which a page begins. */
interface RoomKey {
  readonly facility: string
  readonly code: string
}

interface Page<Key> {
  readonly limit: number
  readonly after?: Key | undefined
}

export interface Report {
  /** In the order of their identities. */
  tags(page: Page<string>): Promise<TagRow[]>
  /** In the order of facility and code. */
  rooms(page: Page<RoomKey>): Promise<RoomRow[]>
  /** @returns undefined for a tag that this tenant does not have; no position for one that was never placed */
  tag(identity: TagId): Promise<{ readonly position: StoredPosition | undefined } | undefined>
  /** @param maxTags the first so many tags, in the order of registration, and their positions */
  overview(maxTags: number): Promise<Overview>
  /** How this database keeps history, as the migrations left it. */
  /** What health says of this tenant's data and of the care that the database gets. */
  care(): Promise<CareFacts>
  edition(): Promise<{ readonly mode: string; readonly server: string; readonly extension: string | null } | undefined>
}

export function createReport(reader: TenantReader): Report {
  return {
    tags: ({ limit, after }) => reader.read((client) => readTags(client, limit, after)),
    rooms: ({ limit, after }) => reader.read((client) => readRooms(client, limit, after)),
    tag: (identity) => reader.read((client) => readTag(client, identity)),
    care: () => reader.read(readCareFacts),
    overview: (maxTags) => reader.read((client) => readOverview(client, maxTags)),
    edition: () =>
      reader.read(async (client) => {
        const found = await client.query('select mode, server, extension from rtls.edition')
        return found.rows[0]
      }),
  }
}

async function readTags(client: ClientBase, limit: number, after = ''): Promise<TagRow[]> {
  const found = await client.query<TagRow>({
    name: 'tags',
    text: 'select identity, label, kind, status from rtls.tag where identity > $1 order by identity limit $2',
    values: [after, limit],
  })
  return found.rows
}

async function readRooms(client: ClientBase, limit: number, after?: RoomKey): Promise<RoomRow[]> {
  const found = await client.query<RoomRow>({
    name: 'rooms',
    text: `select f.code as facility, r.code, r.name, r.kind
      from site.room r join site.facility f on f.id = r.facility_id
      where (f.code, r.code) > ($1, $2) order by f.code, r.code limit $3`,
    values: [after?.facility ?? '', after?.code ?? '', limit],
  })
  return found.rows
}

async function readTag(client: ClientBase, identity: TagId): ReturnType<Report['tag']> {
  const found = await client.query<PositionRow>({
    name: 'tag',
    text: `select ${POSITION_COLUMNS} from ${POSITION_SOURCE} where t.identity = $1`,
    values: [identity],
  })
  const row = found.rows[0]
  return row && { position: positionOf(row) }
}

async function readOverview(client: ClientBase, maxTags: number): Promise<Overview> {
  const gateways = await client.query<Overview['gateways'][number]>({
    name: 'gateways',
    text: `select g.name, f.code as facility from site.gateway g join site.facility f on f.id = g.facility_id
      where g.status not in ('blocked', 'retired')`,
  })
  const rooms = await client.query<Overview['rooms'][number]>({
    name: 'room-names',
    text: `select r.code, r.name, f.code as facility from site.room r join site.facility f on f.id = r.facility_id
      order by r.id`,
  })
  const tags = await client.query<PositionRow & { label: string | null; isOnPerson: boolean }>({
    name: 'positions',
    text: `select ${POSITION_COLUMNS}, t.label,
        t.id in (select rtls.tags_of_people()) and rtls.is_on_person(t.id, now()) as "isOnPerson"
      from ${POSITION_SOURCE} order by t.id limit $1`,
    values: [maxTags],
  })
  return {
    gateways: gateways.rows,
    rooms: rooms.rows,
    tags: tags.rows.map(({ tag, label, isOnPerson }) => ({ identity: tag, label, isOnPerson })),
    positions: tags.rows.map(positionOf).filter((position) => position !== undefined),
  }
}
