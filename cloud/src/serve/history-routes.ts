import type { FastifyInstance } from 'fastify'
import type { ClientBase } from 'pg'

import type { Callers } from './callers.ts'

type Ask = (client: ClientBase, input: unknown) => Promise<unknown>

/** What is asked and done with tags and history. Each checks what it is given and throws what problems.ts knows. */
interface Desk {
  readonly registerTag: Ask
  readonly retireTag: Ask
  readonly assign: Ask
  readonly unassign: Ask
  readonly swap: Ask
  readonly correct: Ask
  readonly remove: Ask
  readonly assignments: Ask
  readonly history: Ask
  readonly stays: Ask
  readonly track: Ask
  readonly whereAt: Ask
  readonly nearest: Ask
  showTag(client: ClientBase, identity: string): Promise<unknown>
  location(client: ClientBase, asset: string): Promise<unknown>
}

interface HistoryParts {
  readonly callers: Pick<Callers, 'read' | 'write'>
  readonly desk: Desk
}

interface ById {
  readonly Params: { readonly id: string }
}

interface ByRoom {
  readonly Params: { readonly code: string; readonly room: string }
}

const ASSET = '/api/v1/assets/:id'
const TAG = '/api/v1/tags/:id'
const ASSIGNMENT = '/api/v1/tag-assignments/:id'

/** Which tag is on what, and where things are and were. */
export function addHistoryRoutes(server: FastifyInstance, { callers, desk }: HistoryParts): void {
  addTags(server, { callers, desk })
  addAssignments(server, { callers, desk })
  addPlaces(server, { callers, desk })
}

function addTags(server: FastifyInstance, { callers, desk }: HistoryParts): void {
  server.get<ById>(TAG, (request) =>
    callers.read(request, 'tag.read', async (client) => toWire(await desk.showTag(client, request.params.id))),
  )

  server.post('/api/v1/tags', async (request, reply) => {
    const made = await callers.write(request, 'tag.retire', (client) => desk.registerTag(client, request.body))
    return reply.code(201).send(toWire(made))
  })

  server.post<ById>(`${TAG}/retire`, async (request) => {
    const input = joined(request.body, { identity: request.params.id })
    return toWire(await callers.write(request, 'tag.retire', (client) => desk.retireTag(client, input)))
  })
}

function addAssignments(server: FastifyInstance, { callers, desk }: HistoryParts): void {
  for (const [path, name] of [
    [TAG, 'tag'],
    [ASSET, 'asset'],
  ] as const) {
    server.get<ById>(`${path}/assignments`, (request) =>
      callers.read(request, 'tag.read', async (client) => {
        const items = await desk.assignments(client, joined(request.query, { [name]: request.params.id }))
        return { items: toWire(items) }
      }),
    )
  }

  server.post<ById>(`${TAG}/assign`, async (request, reply) => {
    const input = joined(request.body, { tag: request.params.id })
    const made = await callers.write(request, 'tag.assign', (client) => desk.assign(client, input))
    return reply.code(201).send(toWire(made))
  })

  server.post<ById>(`${TAG}/unassign`, async (request) => {
    const input = joined(request.body, { tag: request.params.id })
    return toWire(await callers.write(request, 'tag.assign', (client) => desk.unassign(client, input)))
  })

  server.post<ById>(`${ASSET}/swap-tag`, async (request) => {
    const input = joined(request.body, { asset: request.params.id })
    return toWire(await callers.write(request, 'tag.assign', (client) => desk.swap(client, input)))
  })

  server.patch<ById>(ASSIGNMENT, async (request) => {
    const input = joined(request.body, { id: request.params.id })
    return toWire(await callers.write(request, 'tag.assign', (client) => desk.correct(client, input)))
  })

  // In the query, since proxies drop the body of a DELETE.
  server.delete<ById>(ASSIGNMENT, async (request, reply) => {
    const input = joined(request.query, { id: request.params.id })
    await callers.write(request, 'tag.assign', (client) => desk.remove(client, input))
    return reply.code(204).send()
  })
}

function addPlaces(server: FastifyInstance, { callers, desk }: HistoryParts): void {
  server.get<ById>(`${ASSET}/location`, (request) =>
    callers.read(request, 'location.read', async (client) => toWire(await desk.location(client, request.params.id))),
  )

  for (const [name, ask] of [
    ['history', desk.history],
    ['stays', desk.stays],
  ] as const) {
    server.get<ById>(`${ASSET}/${name}`, (request) =>
      callers.read(request, 'location.history', async (client) => {
        const items = await ask(client, joined(request.query, { asset: request.params.id }))
        return { items: toWire(items) }
      }),
    )
  }

  server.get<ById>(`${ASSET}/track`, (request) =>
    callers.read(request, 'location.history', async (client) =>
      toWire(await desk.track(client, joined(request.query, { asset: request.params.id }))),
    ),
  )

  server.get<ByRoom>('/api/v1/facilities/:code/where-at', (request) =>
    callers.read(request, 'location.history', async (client) => {
      const { t, ...rest } = joined(request.query, {})
      const items = await desk.whereAt(client, { ...rest, facility: request.params.code, at: t })
      return { items: toWire(items) }
    }),
  )

  server.get<ByRoom>('/api/v1/facilities/:code/rooms/:room/nearest', (request) =>
    callers.read(request, 'location.read', async (client) => {
      const { code, room } = request.params
      const items = await desk.nearest(client, joined(request.query, { facility: code, room }))
      return { items: toWire(items) }
    }),
  )
}

/** What was sent and what the address says; the address wins. */
function joined(sent: unknown, named: Readonly<Record<string, string>>): Record<string, unknown> {
  return { ...(typeof sent === 'object' ? sent : { body: sent }), ...named }
}

/** Names as this API writes them: `asset_tag`, not `assetTag`. */
function toWire(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toWire)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      toWire(inner),
    ]),
  )
}
