import type { FastifyRequest } from 'fastify'
import type { ClientBase } from 'pg'

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
  /** @throws BioTrakrError NOT_ALLOWED */
  read<T>(request: FastifyRequest, permission: string, work: (client: ClientBase) => Promise<T>): Promise<T>
  /** @throws BioTrakrError NOT_ALLOWED */
  write<T>(request: FastifyRequest, permission: string, work: (client: ClientBase) => Promise<T>): Promise<T>
}

/** Whoever holds the token of this service may do everything in its organisation. */
export function createCallers(database: ScopedDatabase, orgId: number): Callers {
  const scope: Scope = { orgId, facilities: 'all', actor: 'token' }
  return {
    read: (_request, _permission, work) => database.read(scope, work),
    write: (_request, _permission, work) => database.write(scope, work),
  }
}
