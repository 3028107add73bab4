import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { BioTrakrError } from '@biotrakr/shared'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

import { describeProblem, sendProblem } from './problems.ts'

const FILES = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/login': ['login.html', 'text/html; charset=utf-8'],
  '/assets/live.js': ['live.js', 'text/javascript; charset=utf-8'],
  '/assets/alarms.js': ['alarms.js', 'text/javascript; charset=utf-8'],
  '/assets/base.css': ['base.css', 'text/css; charset=utf-8'],
  '/assets/live.css': ['live.css', 'text/css; charset=utf-8'],
  '/assets/alarms.css': ['alarms.css', 'text/css; charset=utf-8'],
  '/assets/icon.svg': ['icon.svg', 'image/svg+xml'],
} as const

/**
 * The live page and what belongs to it, read once.
 * @param cookieFor the cookie for a token given in the form, undefined when it is the wrong one
 * @throws BioTrakrError CONFIG_UNREADABLE when the files of the page are not installed
 */
export function addPages(server: FastifyInstance, cookieFor: (token: string) => string | undefined): void {
  const folder = findWeb()
  for (const [url, [name, type]] of Object.entries(FILES)) {
    const content = readFileSync(join(folder, name))
    const etag = `"${createHash('sha256').update(content).digest('base64url')}"`
    server.get(url, (request, reply) => sendFile(request, reply, { content, type, etag }))
  }
  // Shows the one line of the form that is hidden otherwise.
  const wrongToken = readFileSync(join(folder, 'login.html'), 'utf8').replace(' hidden>', '>')
  server.get<{ Params: { code: string } }>('/problems/:code', (request, reply) => {
    const text = describeProblem(request.params.code)
    return text === undefined ? sendProblem(reply, 'not-found') : reply.type('text/plain; charset=utf-8').send(text)
  })
  server.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, new URLSearchParams(String(body)))
  })
  server.post('/login', (request, reply) => {
    const token = request.body instanceof URLSearchParams ? request.body.get('token') : null
    const cookie = cookieFor(token?.trim() ?? '')
    if (cookie === undefined) return reply.code(401).type('text/html; charset=utf-8').send(wrongToken)
    return reply.header('set-cookie', cookie).redirect('/', 303)
  })
}

interface WebFile {
  readonly content: Buffer
  readonly type: string
  readonly etag: string
}

function sendFile(request: FastifyRequest, reply: FastifyReply, { content, type, etag }: WebFile): FastifyReply {
  reply.header('cache-control', 'no-cache').header('etag', etag)
  if (request.headers['if-none-match'] === etag) return reply.code(304).send()
  return reply.type(type).send(content)
}

/** Beside the sources, or beside a bundle of this or of another workspace, each at its own depth. */
function findWeb(): string {
  const start = dirname(fileURLToPath(import.meta.url))
  for (let folder = start; ; folder = dirname(folder)) {
    for (const parts of [['web'], ['cloud', 'web']]) {
      const candidate = join(folder, ...parts)
      if (existsSync(join(candidate, 'live.js'))) return candidate
    }
    if (folder === dirname(folder)) break
  }
  throw new BioTrakrError(`The folder of the live page was not found above ${start}`, {
    code: 'CONFIG_UNREADABLE',
    next: 'Install the folder cloud/web beside cloud/dist.',
  })
}
