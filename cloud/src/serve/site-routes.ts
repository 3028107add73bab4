import type { FastifyInstance } from 'fastify'
import type { ClientBase } from 'pg'

import type { Callers } from './callers.ts'

interface ListKey {
  /** Code of the facility. */
  readonly facility: string
  /** For example `rooms`. */
  readonly list: string
}

interface RowKey extends ListKey {
  readonly id: string
}

/** What is asked and changed of facilities. Each checks what it is given and throws what problems.ts knows. */
interface SiteDesk {
  facilities(client: ClientBase): Promise<unknown>
  facility(client: ClientBase, code: string): Promise<unknown>
  list(client: ClientBase, key: ListKey, query: unknown): Promise<unknown>
  show(client: ClientBase, key: RowKey): Promise<unknown>
  create(client: ClientBase, key: ListKey, input: unknown): Promise<{ readonly id: number }>
  change(client: ClientBase, key: RowKey, input: unknown): Promise<unknown>
  maps(client: ClientBase, facility: string): Promise<unknown>
  map(client: ClientBase, facility: string, version: string): Promise<unknown>
}

interface SiteParts {
  readonly callers: Pick<Callers, 'read' | 'write'>
  readonly desk: SiteDesk
}

const FACILITIES = '/api/v1/facilities'

/** Facilities, what they consist of, and the maps that were published of them. */
export function addSiteRoutes(server: FastifyInstance, { callers, desk }: SiteParts): void {
  server.get(FACILITIES, (request) => callers.read(request, 'site.read', (client) => desk.facilities(client)))

  server.get<{ Params: { facility: string } }>(`${FACILITIES}/:facility`, (request) =>
    callers.read(request, 'site.read', (client) => desk.facility(client, request.params.facility)),
  )

  server.get<{ Params: ListKey }>(`${FACILITIES}/:facility/:list`, (request) =>
    callers.read(request, readingOf(request.params), (client) => desk.list(client, request.params, request.query)),
  )

  server.get<{ Params: RowKey }>(`${FACILITIES}/:facility/:list/:id`, (request) =>
    callers.read(request, readingOf(request.params), (client) => desk.show(client, request.params)),
  )

  server.post<{ Params: ListKey }>(`${FACILITIES}/:facility/:list`, async (request, reply) => {
    const { params, body } = request
    const made = await callers.write(request, 'site.edit', (client) => desk.create(client, params, body))
    const [facility, list] = [params.facility, params.list].map(encodeURIComponent)
    return reply.code(201).header('location', `${FACILITIES}/${facility}/${list}/${made.id}`).send(made)
  })

  server.patch<{ Params: RowKey }>(`${FACILITIES}/:facility/:list/:id`, (request) =>
    callers.write(request, 'site.edit', (client) => desk.change(client, request.params, request.body)),
  )

  server.get<{ Params: { facility: string } }>(`${FACILITIES}/:facility/maps`, (request) =>
    callers.read(request, 'site.read', (client) => desk.maps(client, request.params.facility)),
  )

  server.get<{ Params: { facility: string; version: string } }>(`${FACILITIES}/:facility/maps/:version`, (request) =>
    callers.read(request, 'site.read', (client) => desk.map(client, request.params.facility, request.params.version)),
  )
}

/** Which boxes there are is another right than what the house looks like. */
function readingOf({ list }: ListKey): string {
  return list === 'gateways' ? 'gateway.read' : 'site.read'
}
