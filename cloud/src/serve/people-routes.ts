import { BioTrakrError } from '@biotrakr/shared'
import type { FastifyInstance } from 'fastify'
import type { ClientBase } from 'pg'

import type { Callers } from './callers.ts'

type Read = (client: ClientBase, query: unknown) => Promise<unknown>
type ReadOne = (client: ClientBase, id: string) => Promise<unknown>
type Make = (client: ClientBase, input: unknown) => Promise<{ readonly id: string }>
type Act = (client: ClientBase, id: string, input: unknown) => Promise<unknown>
type ActAlone = (client: ClientBase, id: string) => Promise<unknown>

interface Changed {
  /** Somebody else changed it meanwhile; `current` is what is there now. */
  readonly isStale: boolean
  readonly current: unknown
}

/** People of one kind. */
interface Register {
  readonly list: Read
  readonly show: ReadOne
  find(client: ClientBase, input: unknown): Promise<string | undefined>
  readonly create: Make
  change(client: ClientBase, id: string, input: unknown): Promise<Changed>
  readonly erase: Act
  assignTag(client: ClientBase, id: string, input: unknown): Promise<{ readonly id: string }>
}

/** What is asked and done with people. Each checks what it is given and throws what problems.ts knows. */
interface Desk {
  readonly patients: Register
  readonly staff: Register
  readonly leave: ActAlone
  readonly locate: ReadOne
  readonly stays: Act
  readonly removeTags: ActAlone
  readonly vitalSigns: Act
  readonly consents: { readonly list: ReadOne; readonly record: Make; readonly withdraw: ActAlone }
  readonly encounters: {
    readonly inpatients: Read
    readonly admit: Make
    readonly transfer: Act
    readonly discharge: Act
    readonly void: ActAlone
  }
  readonly rounds: {
    readonly list: Read
    plans(client: ClientBase): Promise<unknown>
    readonly create: Make
    readonly end: ActAlone
  }
}

interface PeopleParts {
  readonly callers: Pick<Callers, 'read' | 'write' | 'mustReach'>
  readonly desk: Desk
}

interface ById {
  readonly Params: { readonly id: string }
}

const API = '/api/v1'

/**
 * People. Every request carries a purpose (header X-Purpose), which goes into the audit chain with who asked. Names and
 * numbers are never part of an address: addresses are written into logs.
 */
export function addPeopleRoutes(server: FastifyInstance, { callers, desk }: PeopleParts): void {
  addRegister(server, callers, { path: `${API}/patients`, register: desk.patients, desk })
  addRegister(server, callers, { path: `${API}/staff`, register: desk.staff, desk })
  addCare(server, callers, desk)
  addEncounters(server, callers, desk.encounters)
  addRounds(server, callers, desk.rounds)
}

interface RegisterPart {
  readonly path: string
  readonly register: Register
  readonly desk: Desk
}

function addRegister(server: FastifyInstance, callers: PeopleParts['callers'], { path, register, desk }: RegisterPart) {
  server.get(path, (request) => callers.read(request, 'care.read', (client) => register.list(client, request.query)))
  server.get<ById>(`${path}/:id`, (request) =>
    callers.read(request, 'care.read', (client) => register.show(client, request.params.id)),
  )
  server.post(`${path}/find`, async (request) => {
    const id = await callers.read(request, 'care.read', (client) => register.find(client, request.body))
    if (id !== undefined) return { id }
    throw new BioTrakrError('Nobody has that', { code: 'NOT_FOUND', next: 'Check the spelling.' })
  })
  server.get<ById>(`${path}/:id/location`, (request) =>
    callers.read(request, 'person.locate', (client) => desk.locate(client, request.params.id)),
  )
  server.get<ById>(`${path}/:id/stays`, (request) =>
    callers.read(request, 'person.history', (client) => desk.stays(client, request.params.id, request.query)),
  )
  server.get<ById>(`${path}/:id/consents`, (request) =>
    callers.read(request, 'care.read', (client) => desk.consents.list(client, request.params.id)),
  )
  addMaking(server, callers, { path, make: register.create })
  server.patch<ById>(`${path}/:id`, async (request) => {
    const { isStale, current } = await callers.write(request, 'care.edit', (client) =>
      register.change(client, request.params.id, request.body),
    )
    if (!isStale) return current
    // After the transaction, which has entered the reading of `current` into the audit chain.
    throw new BioTrakrError('Somebody else changed it meanwhile', {
      code: 'ROW_VERSION',
      next: 'Compare both states and send the change again with the new row version.',
      details: { current, yours: request.body },
    })
  })
  server.post<ById>(`${path}/:id/erase`, async (request, reply) => {
    await callers.mustReach(request, 'purge.run')
    await callers.write(request, 'care.edit', (client) => register.erase(client, request.params.id, request.body))
    return reply.code(204).send()
  })
  server.post<ById>(`${path}/:id/tags`, async (request, reply) => {
    await callers.mustReach(request, 'tag.assign')
    const made = await callers.write(request, 'care.edit', (client) =>
      register.assignTag(client, request.params.id, request.body),
    )
    return reply.code(201).send(made)
  })
  addActing(server, callers, { path: `${path}/:id/tags/take-off`, act: desk.removeTags })
}

function addCare(server: FastifyInstance, callers: PeopleParts['callers'], desk: Desk): void {
  server.get<ById>(`${API}/patients/:id/vital-signs`, (request) =>
    callers.read(request, 'care.read', (client) => desk.vitalSigns(client, request.params.id, request.query)),
  )
  addActing(server, callers, { path: `${API}/staff/:id/leave`, act: desk.leave })
  addMaking(server, callers, { path: `${API}/consents`, make: desk.consents.record })
  addActing(server, callers, { path: `${API}/consents/:id/withdraw`, act: desk.consents.withdraw })
}

function addEncounters(server: FastifyInstance, callers: PeopleParts['callers'], encounters: Desk['encounters']): void {
  server.get(`${API}/inpatients`, (request) =>
    callers.read(request, 'care.read', (client) => encounters.inpatients(client, request.query)),
  )
  addMaking(server, callers, { path: `${API}/encounters`, make: encounters.admit })
  addActing(server, callers, { path: `${API}/encounters/:id/transfer`, act: encounters.transfer })
  addActing(server, callers, { path: `${API}/encounters/:id/discharge`, act: encounters.discharge })
  addActing(server, callers, { path: `${API}/encounters/:id/void`, act: encounters.void })
}

function addRounds(server: FastifyInstance, callers: PeopleParts['callers'], rounds: Desk['rounds']): void {
  server.get(`${API}/rounds`, (request) =>
    callers.read(request, 'care.read', (client) => rounds.list(client, request.query)),
  )
  server.get(`${API}/round-plans`, (request) => callers.read(request, 'care.read', (client) => rounds.plans(client)))
  addMaking(server, callers, { path: `${API}/round-plans`, make: rounds.create })
  addActing(server, callers, { path: `${API}/round-plans/:id/end`, act: rounds.end })
}

function addMaking(
  server: FastifyInstance,
  callers: PeopleParts['callers'],
  { path, make }: { readonly path: string; readonly make: Make },
): void {
  server.post(path, async (request, reply) => {
    const made = await callers.write(request, 'care.edit', (client) => make(client, request.body))
    return reply.code(201).header('location', `${path}/${made.id}`).send(made)
  })
}

function addActing(
  server: FastifyInstance,
  callers: PeopleParts['callers'],
  { path, act }: { readonly path: string; readonly act: Act },
): void {
  server.post<ById>(path, async (request, reply) => {
    await callers.write(request, 'care.edit', (client) => act(client, request.params.id, request.body))
    return reply.code(204).send()
  })
}
