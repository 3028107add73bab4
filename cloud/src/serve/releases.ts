import { createReadStream, statSync } from 'node:fs'
import { join } from 'node:path'

import type { ReleasePackage, SignedRelease } from '@biotrakr/shared'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

import { sendProblem } from './problems.ts'

export interface ReleaseShelf {
  /** Newest first. */
  list(): readonly {
    readonly signed: SignedRelease
    readonly folder: string
    readonly release: { readonly packages: readonly ReleasePackage[] }
  }[]
}

interface ReleasesParts {
  readonly shelf: ReleaseShelf
  /** Whether a gateway of this organisation is neither blocked nor retired. */
  readonly isWelcome: (gateway: string) => boolean
  /** Whether the request may speak for this gateway. */
  readonly mayAsk: (request: FastifyRequest, gateway: string) => boolean
}

interface Params {
  readonly gateway: string
  readonly name: string
}

/** The newest release and its packages, for gateways. A package may be asked for from a byte on. */
export function addReleases(server: FastifyInstance, { shelf, isWelcome, mayAsk }: ReleasesParts): void {
  server.get<{ Params: Pick<Params, 'gateway'> }>('/api/v1/gateways/:gateway/release', async (request, reply) => {
    const { gateway } = request.params
    if (!mayAsk(request, gateway)) return sendProblem(reply, 'unauthenticated')
    const newest = isWelcome(gateway) ? shelf.list()[0] : undefined
    return newest ? reply.send(newest.signed) : sendProblem(reply, 'not-found', { detail: 'There is no release yet.' })
  })

  server.get<{ Params: Params }>('/api/v1/gateways/:gateway/release/packages/:name', async (request, reply) => {
    const { gateway, name } = request.params
    if (!mayAsk(request, gateway)) return sendProblem(reply, 'unauthenticated')
    if (!isWelcome(gateway)) return sendProblem(reply, 'not-found')
    // Only what a document names is opened, so no name can lead elsewhere.
    for (const { folder, release } of shelf.list()) {
      const found = release.packages.find((one) => one.name === name)
      if (found) return sendPackage(request, reply, { file: join(folder, found.name), sha256: found.sha256 })
    }
    return sendProblem(reply, 'not-found', { detail: 'No release here has such a package.' })
  })
}

interface PackageFile {
  readonly file: string
  readonly sha256: string
}

function sendPackage(request: FastifyRequest, reply: FastifyReply, { file, sha256 }: PackageFile): FastifyReply {
  const { size } = statSync(file)
  const etag = `"${sha256}"`
  reply.header('etag', etag).header('accept-ranges', 'bytes').type('application/vnd.debian.binary-package')
  const start = startOf(request, etag)
  if (start >= size) return reply.code(416).header('content-range', `bytes */${size}`).send()
  if (start > 0) reply.code(206).header('content-range', `bytes ${start}-${size - 1}/${size}`)
  return reply.header('content-length', size - start).send(createReadStream(file, { start }))
}

/** Only "from here to the end", which is what going on needs; of anything else the whole is given (RFC 9110, 14.2). */
function startOf({ headers }: FastifyRequest, etag: string): number {
  const from = /^bytes=(\d{1,15})-$/.exec(headers.range ?? '')?.[1]
  const isSame = headers['if-range'] === undefined || headers['if-range'] === etag
  return from !== undefined && isSame ? Number(from) : 0
}
