import { isRoomId, isTagId, type Method, type Reason, type RoomId, type TagId } from '@biotrakr/shared'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'

import type { Board, Place } from './board.ts'
import type { Callers } from './callers.ts'
import { type FieldError, sendProblem } from './problems.ts'
import type { StreamHub } from './stream.ts'

interface Room {
  readonly code: RoomId
  readonly name: string
}

/** What the API reads from the database. */
interface Reports {
  tags(page: Page<string>): Promise<readonly TagItem[]>
  rooms(page: Page<RoomKey>): Promise<readonly (Room & { readonly facility: string; readonly kind: string })[]>
  /** Undefined for a tag that is not there. */
  tag(identity: TagId): Promise<{ readonly position: Stored | undefined } | undefined>
}

interface Page<Key> {
  readonly limit: number
  readonly after?: Key | undefined
}

interface TagItem {
  readonly identity: TagId
  readonly label: string | null
  readonly kind: string
  readonly status: string
}

interface RoomKey {
  readonly facility: string
  readonly code: string
}

interface Stored {
  readonly facility: string
  readonly room: Room | null
  readonly lastRoom: Room | null
  readonly reason: Reason
  readonly method: Method
  readonly confidence: number
  readonly atMs: number
  readonly sinceMs: number
  readonly x: number | null
  readonly y: number | null
  readonly accuracy: number | null
  readonly mapVersion: number
}

export interface ApiParts {
  /** What the sender of the request may read by this permission. */
  readonly reportFor: (request: FastifyRequest, permission: string) => Reports
  readonly callers: Pick<Callers, 'reaches' | 'mustReach'>
  readonly board: Pick<Board, 'place' | 'counts'>
  readonly hub: Pick<StreamHub, 'hasRoom' | 'join'>
  /** Name of a room as people read it; the code where it has none. */
  readonly roomName: (facility: string, room: RoomId) => string
}

const noQuery = z.strictObject({})
const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().min(1).max(512).optional(),
})
const tagCursor = z.string().refine(isTagId)
const name = z.string().refine(isRoomId)
const roomCursor = z.tuple([name, name])

export function addApi(server: FastifyInstance, { reportFor, callers, board, hub, roomName }: ApiParts): void {
  server.get('/api/v1/tags', async (request, reply) => {
    const query = check(pageQuery, request, reply)
    if (!query) return reply
    const after = query.cursor === undefined ? undefined : fromCursor(tagCursor, query.cursor)
    if (query.cursor !== undefined && after === undefined) return sendProblem(reply, 'cursor-mismatch')
    const rows = await reportFor(request, 'tag.read').tags({ limit: query.limit + 1, after })
    const items = rows.map(({ identity, label, kind, status }) => ({ id: identity, label, kind, status }))
    return pageOf(items, query.limit, ({ id }) => id)
  })

  server.get('/api/v1/rooms', async (request, reply) => {
    const query = check(pageQuery, request, reply)
    if (!query) return reply
    const key = query.cursor === undefined ? undefined : fromCursor(roomCursor, query.cursor)
    if (query.cursor !== undefined && key === undefined) return sendProblem(reply, 'cursor-mismatch')
    const rows = await reportFor(request, 'site.read').rooms({
      limit: query.limit + 1,
      after: key && { facility: key[0], code: key[1] },
    })
    const count = board.counts()
    const items = rows.map((room) => ({ ...room, tags: count(room.facility, room.code) }))
    return pageOf(items, query.limit, ({ facility, code }) => [facility, code])
  })

  server.get<{ Params: { id: string } }>('/api/v1/tags/:id/location', async (request, reply) => {
    if (!check(noQuery, request, reply)) return reply
    const { id } = request.params
    const found = isTagId(id) ? await reportFor(request, 'location.read').tag(id) : undefined
    if (!found || !isTagId(id)) return sendProblem(reply, 'not-found', { detail: 'There is no such tag.' })
    // The live lane knows of all facilities; who sees some of them gets what row security lets through.
    const isEverywhere = (await callers.reaches(request, 'location.read')) === 'all'
    const live = isEverywhere ? board.place(id)?.place : undefined
    return locationOf(id, { stored: found.position, live, roomName })
  })

  // Not for HEAD, which would open a stream that nobody reads.
  server.get('/api/v1/stream', { exposeHeadRoute: false }, async (request, reply) => {
    if (!check(noQuery, request, reply)) return reply
    await callers.mustReach(request, 'location.read')
    if (!hub.hasRoom()) {
      return sendProblem(reply, 'overloaded', { detail: 'There are as many viewers as this service takes.' })
    }
    const lastEventId = request.headers['last-event-id']
    reply.raw.writeHead(200, { ...plain(reply), 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
    reply.hijack()
    hub.join(reply.raw, typeof lastEventId === 'string' ? lastEventId : undefined)
    return reply
  })
}

function plain(reply: FastifyReply): Record<string, string> {
  return Object.fromEntries(Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)]))
}

/** @returns undefined when the query is wrong; the problem has then been sent */
function check<T>(schema: z.ZodType<T>, request: FastifyRequest, reply: FastifyReply): T | undefined {
  const result = schema.safeParse(request.query)
  if (result.success) return result.data
  sendProblem(reply, 'validation', { errors: result.error.issues.flatMap(fieldErrors) })
  return undefined
}

function fieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ pointer: `/${key}`, code: 'unknown', detail: 'is not a parameter of this' }))
  }
  return [{ pointer: `/${issue.path.join('/')}`, code: issue.code, detail: issue.message }]
}

/** @param rows one more than `limit` where there is a next page */
function pageOf<T>(rows: readonly T[], limit: number, keyOf: (row: T) => unknown): object {
  const items = rows.slice(0, limit)
  const last = rows.length > limit ? items.at(-1) : undefined
  return { items, next: last === undefined ? null : toCursor(keyOf(last)) }
}

function toCursor(key: unknown): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url')
}

function fromCursor<T>(schema: z.ZodType<T>, cursor: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))).data
  } catch {
    return undefined
  }
}

interface Known {
  readonly stored: Stored | undefined
  readonly live: Place | undefined
  readonly roomName: ApiParts['roomName']
}

/** The newer of what is committed and what was heard live. */
function locationOf(tag: TagId, { stored, live, roomName }: Known): object {
  if (live && (!stored || live.atMs > stored.atMs)) {
    const named = (code: RoomId | null) => (code === null ? null : { code, name: roomName(live.facility, code) })
    return locationBody(tag, { ...live, room: named(live.room), lastRoom: named(live.lastRoom) })
  }
  if (stored) return locationBody(tag, stored)
  return { tag, facility: null, room: null, reason: 'not_heard', confidence: 0, since: null, at: null, method: null }
}

function locationBody(tag: TagId, position: Stored): object {
  const { facility, room, lastRoom, reason, confidence, sinceMs, atMs, method, x, y, accuracy, mapVersion } = position
  return {
    tag,
    facility,
    room: room && { code: room.code, name: room.name },
    reason,
    confidence: confidence / 1_000,
    since: new Date(sinceMs).toISOString(),
    at: new Date(atMs).toISOString(),
    method,
    ...(x !== null && { x_m: x }),
    ...(y !== null && { y_m: y }),
    ...(accuracy !== null && { accuracy_m: accuracy }),
    ...(lastRoom && { last_room: { code: lastRoom.code, name: lastRoom.name } }),
    map_version: mapVersion,
  }
}
