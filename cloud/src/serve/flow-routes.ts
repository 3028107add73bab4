import type { FastifyInstance } from 'fastify'
import type { ClientBase } from 'pg'

import type { Callers } from './callers.ts'

interface Flow {
  readonly method: 'GET' | 'POST' | 'PATCH'
  readonly path: string
  readonly permission: string
  readonly creates?: true
  run(
    client: ClientBase,
    input: {
      readonly params: Readonly<Record<string, string>>
      readonly query: unknown
      readonly body: unknown
    },
  ): Promise<unknown>
}

interface FlowParts {
  readonly callers: Callers
  readonly flows: readonly Flow[]
}

/** A route for each flow: reads in a reading transaction, the others all or nothing, as whoever sends the request. */
export function addFlowRoutes(server: FastifyInstance, { callers, flows }: FlowParts): void {
  for (const { method, path, permission, creates, run } of flows) {
    server.route<{ Params: Readonly<Record<string, string>> }>({
      method,
      url: path,
      handler: (request, reply) => {
        if (creates) reply.code(201)
        const { params, query, body } = request
        const work = (client: ClientBase) => run(client, { params, query, body })
        return method === 'GET' ? callers.read(request, permission, work) : callers.write(request, permission, work)
      },
    })
  }
}
