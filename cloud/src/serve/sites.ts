import type { FastifyInstance, FastifyRequest } from 'fastify'

import { sendProblem } from './problems.ts'

interface SitesParts {
  readonly find: (gateway: string) => { readonly body: Buffer; readonly etag: string } | undefined
  /** Whether a gateway of this organisation is neither blocked nor retired. */
  readonly isWelcome: (gateway: string) => boolean
  /** Whether the request may have the site of this gateway. */
  readonly mayAsk: (request: FastifyRequest, gateway: string) => boolean
}

/** Gateways fetch what they work with: map, survey, allow-list and profiles, signed. */
export function addSites(server: FastifyInstance, { find, isWelcome, mayAsk }: SitesParts): void {
  server.get<{ Params: { gateway: string } }>('/api/v1/gateways/:gateway/site', async (request, reply) => {
    const { gateway } = request.params
    if (!mayAsk(request, gateway)) return sendProblem(reply, 'unauthenticated')
    const site = isWelcome(gateway) ? find(gateway) : undefined
    if (!site) return sendProblem(reply, 'not-found')
    reply.header('etag', site.etag)
    if (request.headers['if-none-match'] === site.etag) return reply.code(304).send()
    return reply.type('application/json; charset=utf-8').send(site.body)
  })
}
