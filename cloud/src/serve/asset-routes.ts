import type { FastifyInstance } from 'fastify'
import type { ClientBase } from 'pg'

import type { Callers } from './callers.ts'

/** What is asked and done with assets. Each checks what it is given and throws what problems.ts knows. */
interface Desk {
  list(client: ClientBase, query: unknown): Promise<unknown>
  search(client: ClientBase, query: unknown): Promise<unknown>
  show(client: ClientBase, idOrTag: string): Promise<unknown>
  create(client: ClientBase, input: unknown): Promise<{ readonly id: string }>
  change(client: ClientBase, id: string, input: unknown): Promise<unknown>
  retire(client: ClientBase, id: string, input: unknown): Promise<unknown>
  remove(client: ClientBase, id: string, input: unknown): Promise<void>
  restore(client: ClientBase, id: string, input: unknown): Promise<unknown>
  confirm(client: ClientBase, id: string): Promise<unknown>
}

interface Catalogue {
  list(client: ClientBase, query: unknown): Promise<unknown>
  get(client: ClientBase, id: string): Promise<unknown>
  create(client: ClientBase, input: unknown): Promise<{ readonly id: string }>
  change(client: ClientBase, id: string, input: unknown): Promise<unknown>
  remove(client: ClientBase, id: string, input: unknown): Promise<void>
  restore(client: ClientBase, id: string, input: unknown): Promise<unknown>
}

interface AssetParts {
  readonly callers: Pick<Callers, 'read' | 'write' | 'mustReach'>
  readonly desk: Desk
  /** By the name of the collection. */
  readonly catalogues: Readonly<Record<string, Catalogue>>
}

interface ById {
  readonly Params: { readonly id: string }
}

const ASSETS = '/api/v1/assets'

/** Assets, and what they are described with. */
export function addAssetRoutes(server: FastifyInstance, { callers, desk, catalogues }: AssetParts): void {
  addReading(server, { callers, desk })
  addWriting(server, { callers, desk })
  for (const [name, catalogue] of Object.entries(catalogues)) addCatalogue(server, callers, { name, catalogue })
}

type DeskParts = Pick<AssetParts, 'callers' | 'desk'>

function addReading(server: FastifyInstance, { callers, desk }: DeskParts): void {
  server.get(ASSETS, (request) => callers.read(request, 'asset.read', (client) => desk.list(client, request.query)))

  // `attr.<key>=<value>` names an attribute.
  server.get(`${ASSETS}/search`, (request) =>
    callers.read(request, 'asset.read', (client) => desk.search(client, gatherAttributes(request.query))),
  )

  server.get<ById>(`${ASSETS}/:id`, (request) =>
    callers.read(request, 'asset.read', (client) => desk.show(client, request.params.id)),
  )
}

function addWriting(server: FastifyInstance, { callers, desk }: DeskParts): void {
  server.post(ASSETS, async (request, reply) => {
    const made = await callers.write(request, 'asset.edit', (client) => desk.create(client, request.body))
    return reply.code(201).header('location', `${ASSETS}/${made.id}`).send(made)
  })

  server.patch<ById>(`${ASSETS}/:id`, (request) =>
    callers.write(request, 'asset.edit', (client) => desk.change(client, request.params.id, request.body)),
  )

  server.post<ById>(`${ASSETS}/:id/confirm`, (request) =>
    callers.write(request, 'asset.edit', (client) => desk.confirm(client, request.params.id)),
  )

  server.post<ById>(`${ASSETS}/:id/retire`, (request) =>
    callers.write(request, 'asset.retire', (client) => desk.retire(client, request.params.id, request.body)),
  )

  // In the query, since proxies drop the body of a DELETE.
  server.delete<ById>(`${ASSETS}/:id`, async (request, reply) => {
    await callers.write(request, 'asset.retire', (client) => desk.remove(client, request.params.id, request.query))
    return reply.code(204).send()
  })

  server.post<ById>(`${ASSETS}/:id/restore`, (request) =>
    callers.write(request, 'asset.restore', (client) => desk.restore(client, request.params.id, request.body)),
  )
}

interface Collection {
  readonly name: string
  readonly catalogue: Catalogue
}

/** Belongs to the whole organisation, so whoever changes it must reach all of its facilities. */
function addCatalogue(server: FastifyInstance, callers: AssetParts['callers'], { name, catalogue }: Collection): void {
  const path = `/api/v1/asset-${name}`
  const write: Callers['write'] = async (request, permission, work) => {
    await callers.mustReach(request, permission)
    return callers.write(request, permission, work)
  }

  server.get(path, (request) => callers.read(request, 'asset.read', (client) => catalogue.list(client, request.query)))

  server.get<ById>(`${path}/:id`, (request) =>
    callers.read(request, 'asset.read', (client) => catalogue.get(client, request.params.id)),
  )

  server.post(path, async (request, reply) => {
    const made = await write(request, 'asset.edit', (client) => catalogue.create(client, request.body))
    return reply.code(201).header('location', `${path}/${made.id}`).send(made)
  })

  server.patch<ById>(`${path}/:id`, (request) =>
    write(request, 'asset.edit', (client) => catalogue.change(client, request.params.id, request.body)),
  )

  server.delete<ById>(`${path}/:id`, async (request, reply) => {
    await write(request, 'asset.retire', (client) => catalogue.remove(client, request.params.id, request.query))
    return reply.code(204).send()
  })

  server.post<ById>(`${path}/:id/restore`, (request) =>
    write(request, 'asset.restore', (client) => catalogue.restore(client, request.params.id, request.body)),
  )
}

const ATTRIBUTE = 'attr.'

function gatherAttributes(query: unknown): unknown {
  const entries = Object.entries(query ?? {})
  const attrs = entries.filter(([name]) => name.startsWith(ATTRIBUTE))
  if (attrs.length === 0) return query
  return {
    ...Object.fromEntries(entries.filter(([name]) => !name.startsWith(ATTRIBUTE))),
    attrs: Object.fromEntries(attrs.map(([name, value]) => [name.slice(ATTRIBUTE.length), value])),
  }
}
