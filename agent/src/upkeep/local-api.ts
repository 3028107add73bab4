import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { BioTrakrError } from '@biotrakr/shared'

interface LocalApiOptions {
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** The health document; `ok` decides between 200 and 503. */
  readonly health: () => { readonly ok: boolean }
  /** Metrics in the Prometheus text format. */
  readonly metrics: () => Promise<string>
  /** Answers requests for the stream of what is heard. */
  readonly windows: (request: IncomingMessage, response: ServerResponse) => void
  /** Answers requests for why a tag is where it is. */
  readonly explain?: (request: IncomingMessage, response: ServerResponse) => void
}

export interface LocalApi {
  /** @throws BioTrakrError PORT_IN_USE */
  start(): Promise<void>
  stop(): Promise<void>
  /** The port in use, once started. */
  port(): number
}

/** The agent's own small HTTP server, on loopback only: `/health` (JSON), `/metrics` (Prometheus), `/windows` (a stream) and `/explain`. */
export function createLocalApi({ host, port, health, metrics, windows, explain }: LocalApiOptions): LocalApi {
  const server: Server = createServer((request, response) => {
    if (request.method !== 'GET') answer(response, 405, 'text/plain', 'only GET is known here\n')
    else if (request.url === '/health') {
      const document = health()
      answer(response, document.ok ? 200 : 503, 'application/json', `${JSON.stringify(document)}\n`)
    } else if (request.url === '/metrics') {
      metrics().then(
        (text) => answer(response, 200, 'text/plain; version=0.0.4', text),
        () => answer(response, 500, 'text/plain', 'metrics could not be read\n'),
      )
    } else if (request.url === '/windows') windows(request, response)
    else if (explain && request.url?.startsWith('/explain?')) explain(request, response)
    else answer(response, 404, 'text/plain', 'try /health or /metrics\n')
  })
  server.headersTimeout = 5_000
  server.requestTimeout = 5_000
  server.maxConnections = 32
  return {
    start: () =>
      new Promise((resolve, reject) => {
        server.once('error', (cause) => reject(portError(host, port, cause)))
        server.listen(port, host, resolve)
      }),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
    port: () => (server.address() as AddressInfo).port,
  }
}

function portError(host: string, port: number, cause: Error): BioTrakrError {
  const next = 'Set api.port to a free port, or 0 for any.'
  return new BioTrakrError(`cannot listen on ${host}:${port}`, { code: 'PORT_IN_USE', next, cause })
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
  response.end(body)
}
