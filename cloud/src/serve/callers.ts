import { BioTrakrError, type Clock } from '@biotrakr/shared'
import type { FastifyRequest } from 'fastify'
import type { ClientBase } from 'pg'

import { type Identify, type Identity, reachOf } from './identity.ts'

interface Scope {
  readonly orgId: number
  readonly facilities: 'all' | readonly number[]
  readonly actor: string
  readonly userId?: string | undefined
  readonly purpose?: string | undefined
}

interface ScopedDatabase {
  read<T>(scope: Scope, work: (client: ClientBase) => Promise<T>): Promise<T>
  write<T>(scope: Scope, work: (client: ClientBase) => Promise<T>): Promise<T>
}

/** Runs the database work of a request as whoever sent it, within what the permission reaches. */
export interface Callers {
  /**
   * A read of people's data (`person.*`, `care.*`) needs a purpose and goes into the audit chain. So does a read of
   * locations with a purpose by somebody who may locate people; without one it leaves people's tags out.
   * @throws BioTrakrError NOT_ALLOWED, UNAUTHENTICATED, or INPUT_INVALID without a purpose that is needed
   */
  read<T>(request: FastifyRequest, permission: string, work: (client: ClientBase) => Promise<T>): Promise<T>
  /** @throws BioTrakrError NOT_ALLOWED, UNAUTHENTICATED, or INPUT_INVALID without a purpose that is needed */
  write<T>(request: FastifyRequest, permission: string, work: (client: ClientBase) => Promise<T>): Promise<T>
  /** Where the sender may do it: everywhere, in some facilities, or nowhere. */
  reaches(request: FastifyRequest, permission: string): Promise<'all' | readonly number[] | undefined>
  /** For what cannot be cut down to some facilities. @throws BioTrakrError NOT_ALLOWED or UNAUTHENTICATED */
  mustReach(request: FastifyRequest, permission: string): Promise<void>
}

interface CallerParts {
  readonly identify: Identify
  readonly clock: Clock
}

/** What people's data is asked for, in words. */
const PURPOSE_HEADER = 'x-purpose'
const MAX_PURPOSE = 500
const PEOPLE = /^(?:person|care)\./
/** Shows people's tags too, to who may locate people there as well and says why. */
const ALSO_PEOPLE: Readonly<Record<string, string>> = {
  'location.read': 'person.locate',
  'location.history': 'person.history',
}
/** The same refusal is noted once in this time. */
const NOTED_MS = 60_000
const MAX_NOTED = 10_000

/**
 * The holder of the service's token may do everything in its organisation; an account what its roles allow, in the union of
 * the facilities where a role with that permission holds.
 */
export function createCallers(database: ScopedDatabase, orgId: number, { identify, clock }: CallerParts): Callers {
  const noted = createNoted(clock)

  const scopeOf = async (request: FastifyRequest, permission: string, isWhole = false): Promise<Scope> => {
    const identity = await identify(request)
    if (!identity) throw nobody()
    const facilities = reachOf(identity, permission)
    if (facilities === undefined || (isWhole && facilities !== 'all')) {
      await noteRefusal(request, identity, permission)
      throw notAllowed(permission, facilities !== undefined)
    }
    const purpose = purposeOf(request, permission)
    // A purpose opens the rows of people, so it counts only with a right to them.
    const also = ALSO_PEOPLE[permission]
    const mayPeople = PEOPLE.test(permission) || (also !== undefined && covers(reachOf(identity, also), facilities))
    return { orgId, facilities, ...actorOf(identity), purpose: mayPeople ? purpose : undefined }
  }

  const noteRefusal = async (request: FastifyRequest, identity: Identity, permission: string): Promise<void> => {
    const route = `${request.method} ${request.routeOptions.url ?? ''}`
    const { actor, userId } = actorOf(identity)
    if (!noted.isNew(`${actor} ${permission} ${route}`)) return
    await database.write({ orgId, facilities: 'all', actor, userId }, (client) =>
      client.query(
        `select audit.append('security', 'refused', 'permission', $1, new => $2::jsonb, outcome => 'refused')`,
        [permission, JSON.stringify({ route })],
      ),
    )
  }

  return {
    reaches: async (request, permission) => {
      const identity = await identify(request)
      return identity && reachOf(identity, permission)
    },
    mustReach: async (request, permission) => {
      await scopeOf(request, permission, true)
    },
    read: async (request, permission, work) => {
      const scope = await scopeOf(request, permission)
      if (scope.purpose === undefined) return database.read(scope, work)
      return database.write(scope, async (client) => {
        const sinceMs = clock.monoMs()
        const result = await work(client)
        await noteAccess(client, { request, permission, durationMs: clock.monoMs() - sinceMs })
        return result
      })
    },
    write: async (request, permission, work) => database.write(await scopeOf(request, permission), work),
  }
}

interface Access {
  readonly request: FastifyRequest
  readonly permission: string
  readonly durationMs: number
}

async function noteAccess(client: ClientBase, { request, permission, durationMs }: Access): Promise<void> {
  const parameters = request.params as Readonly<Record<string, string>>
  await client.query(`select audit.append('access', $1, $2, $3, new => $4::jsonb, duration_ms => $5)`, [
    permission,
    (request.routeOptions.url ?? '').slice(0, 100),
    Object.values(parameters).join(' ').slice(0, 200),
    JSON.stringify({ query: request.query }),
    Math.round(durationMs),
  ])
}

function covers(reach: Scope['facilities'] | undefined, facilities: Scope['facilities']): boolean {
  if (reach === undefined || reach === 'all') return reach === 'all'
  return facilities !== 'all' && facilities.every((facility) => reach.includes(facility))
}

function actorOf(identity: Identity): { readonly actor: string; readonly userId?: string } {
  if (identity.kind === 'token') return { actor: 'token' }
  const { accountId } = identity.holder
  return { actor: `account:${accountId}`, userId: accountId }
}

function purposeOf(request: FastifyRequest, permission: string): string | undefined {
  const header = request.headers[PURPOSE_HEADER]
  const purpose = (typeof header === 'string' ? header : '').trim()
  if (purpose !== '' && purpose.length <= MAX_PURPOSE) return purpose
  if (purpose === '' && !PEOPLE.test(permission)) return undefined
  throw new BioTrakrError("People's data is shown for a purpose only", {
    code: 'INPUT_INVALID',
    next: `Say in the header X-Purpose what it is for, in at most ${MAX_PURPOSE} characters.`,
    details: { errors: [{ pointer: '/x-purpose', code: 'purpose', detail: `must be 1 to ${MAX_PURPOSE} characters` }] },
  })
}

/** Keeps a caller that is refused again and again from filling the chain. */
function createNoted(clock: Clock): { isNew(key: string): boolean } {
  const untilMs = new Map<string, number>()
  return {
    isNew: (key) => {
      const nowMs = clock.monoMs()
      if (nowMs < (untilMs.get(key) ?? Number.NEGATIVE_INFINITY)) return false
      if (untilMs.size >= MAX_NOTED) untilMs.clear()
      untilMs.set(key, nowMs + NOTED_MS)
      return true
    },
  }
}

function nobody(): BioTrakrError {
  return new BioTrakrError('Nobody is signed in', { code: 'UNAUTHENTICATED', next: 'Sign in again.' })
}

function notAllowed(permission: string, isSomewhere: boolean): BioTrakrError {
  return new BioTrakrError(`This needs the right "${permission}"${isSomewhere ? ' in all facilities' : ''}`, {
    code: 'NOT_ALLOWED',
    next: 'Ask an administrator for a role that has it.',
    details: { permission },
  })
}
