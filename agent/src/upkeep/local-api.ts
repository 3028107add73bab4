import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

import { BioTrakrError } from '@biotrakr/shared'

import { createApiGuard, plainHost } from './api-guard.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

interface LocalApiOptions {
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** What requests for tags must carry, and every request where other machines can connect. */
  readonly token: string
  /** PEM. Needed where other machines can connect; the configuration sees to that. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined
  /** The health document; `ok` decides between 200 and 503. */
  readonly health: () => { readonly ok: boolean }
  /** Metrics in the Prometheus text format. */
  readonly metrics: () => Promise<string>
  /** The status page: it holds no data of its own. */
  readonly page?: (response: ServerResponse) => void
  /** Stream of what the page shows; nothing of tags. */
  readonly status?: Answer
  /** Stream of newest places and alarms. */
  readonly live?: Answer
  /** Stream of what is heard. */
  readonly windows: Answer
  /** Why a tag is where it is. */
  readonly explain?: Answer
}

export interface LocalApi {
  /** @throws BioTrakrError PORT_IN_USE, CONFIG_INVALID when certificate and key do not fit */
  start(): Promise<void>
  stop(): Promise<void>
  /** The port in use, once started. */
  port(): number
}

/** No other site may read, frame or guess anything; nothing is kept by a browser. */
const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
} as const

interface Route {
  /** `open`: holds no data; `plain`: nothing of tags; `tags`: takes the token always. */
  readonly tells: 'open' | 'plain' | 'tags'
  readonly answer: Answer
}

/**
 * The agent's own small HTTP server: `/` (a page), `/health` (JSON), `/metrics` (Prometheus), `/status` and `/live`
 * (server-sent events), `/windows` (lines of JSON) and `/explain`.
 */
export function createLocalApi(options: LocalApiOptions): LocalApi {
  const { host, port, token, tls } = options
  const routes = routesOf(options)
  const guard = createApiGuard({ host, token })
  const listener: Answer = (request, response) => {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
    const route = routes.get(request.url?.split('?', 1)[0] ?? '')
    if (request.method !== 'GET') say(response, 405, 'only GET is known here\n')
    else if (route === undefined) say(response, 404, 'try /, /health or /metrics\n')
    else {
      const isData = route.tells !== 'open'
      const refusal = guard.refusal(request, route.tells === 'tags')
      if (refusal && (isData || refusal.status !== 401)) say(response, refusal.status, `${refusal.why}\n`)
      else route.answer(request, response)
    }
  }
  let server: Server | undefined
  return {
    start: () =>
      new Promise((resolve, reject) => {
        server = bounded(open(listener, tls))
        server.once('error', (cause) => reject(portError(host, port, cause)))
        server.listen(port, plainHost(host), resolve)
      }),
    stop: () =>
      new Promise((resolve) => {
        if (!server) resolve()
        server?.close(() => resolve())
        server?.closeAllConnections()
      }),
    port: () => (server?.address() as AddressInfo | null | undefined)?.port ?? port,
  }
}

function routesOf({ health, metrics, page, status, live, windows, explain }: LocalApiOptions): Map<string, Route> {
  const routes = new Map<string, Route>([
    ['/health', { tells: 'plain', answer: (_request, response) => sayHealth(response, health()) }],
    ['/metrics', { tells: 'plain', answer: (_request, response) => sayMetrics(response, metrics()) }],
    ['/windows', { tells: 'tags', answer: windows }],
  ])
  if (page) routes.set('/', { tells: 'open', answer: (_request, response) => page(response) })
  if (status) routes.set('/status', { tells: 'plain', answer: status })
  if (live) routes.set('/live', { tells: 'tags', answer: live })
  if (explain) routes.set('/explain', { tells: 'tags', answer: explain })
  return routes
}

function open(listener: Answer, tls: LocalApiOptions['tls']): Server {
  if (!tls) return createServer(listener)
  try {
    return createTlsServer({ ...tls, minVersion: 'TLSv1.3' }, listener)
  } catch (cause) {
    throw new BioTrakrError('api.certFile and api.keyFile cannot be used', {
      code: 'CONFIG_INVALID',
      next: 'They must be PEM files, and the key must be that of the first certificate in api.certFile.',
      cause,
    })
  }
}

function bounded(server: Server): Server {
  server.headersTimeout = 5_000
  server.requestTimeout = 5_000
  server.maxConnections = 32
  return server
}

function portError(host: string, port: number, cause: Error): BioTrakrError {
  const next = 'Set api.port to a free port, or 0 for any.'
  return new BioTrakrError(`cannot listen on ${host}:${port}`, { code: 'PORT_IN_USE', next, cause })
}

function say(response: ServerResponse, status: number, body: string, type = 'text/plain'): void {
  response.writeHead(status, { 'content-type': type })
  response.end(body)
}

function sayHealth(response: ServerResponse, document: { readonly ok: boolean }): void {
  say(response, document.ok ? 200 : 503, `${JSON.stringify(document)}\n`, 'application/json')
}

function sayMetrics(response: ServerResponse, metrics: Promise<string>): void {
  metrics.then(
    (text) => say(response, 200, text, 'text/plain; version=0.0.4'),
    () => say(response, 500, 'metrics could not be read\n'),
  )
}
