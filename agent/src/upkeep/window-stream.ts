import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** What the agent heard in one second, as it goes to whoever surveys or checks this gateway. */
interface HeardSecondOfAll {
  /** Wall milliseconds of the agent's event clock. */
  readonly atMs: number
  readonly windows: readonly object[]
}

export interface WindowStream {
  /** Hands a second to everybody who listens. Costs nothing while nobody does. */
  publish(second: () => HeardSecondOfAll): void
  /** Answers a request for the stream: the token of this gateway, and room for one more listener, or no. */
  serve(request: IncomingMessage, response: ServerResponse): void
  /** Listeners now, and those let go because they did not keep up. */
  readonly listeners: number
  readonly dropped: number
}

interface WindowStreamOptions {
  /** Whoever can read the agent's files knows it: where tags are is not for every user of the machine. */
  readonly token: string
}

const MAX_LISTENERS = 4
/** A listener that is this far behind has gone. */
const MAX_WAITING_BYTES = 4_000_000

/** One JSON object a second, a line each, to a few listeners. */
export function createWindowStream({ token }: WindowStreamOptions): WindowStream {
  const listening = new Set<ServerResponse>()
  let dropped = 0
  const refuse = (response: ServerResponse, status: number, why: string): void => {
    response.writeHead(status, { 'content-type': 'text/plain', 'cache-control': 'no-store' })
    response.end(`${why}\n`)
  }
  return {
    get listeners() {
      return listening.size
    },
    get dropped() {
      return dropped
    },
    publish(second) {
      if (listening.size === 0) return
      const line = `${JSON.stringify(second())}\n`
      for (const response of listening) {
        if (response.writableLength <= MAX_WAITING_BYTES) response.write(line)
        else {
          dropped += 1
          listening.delete(response)
          response.destroy()
        }
      }
    },
    serve(request, response) {
      if (!isSame(request.headers.authorization ?? '', `Bearer ${token}`)) {
        refuse(response, 401, 'the token in api.token of the data folder is needed')
        return
      }
      if (listening.size >= MAX_LISTENERS) {
        refuse(response, 503, `${MAX_LISTENERS} listen already`)
        return
      }
      response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
      response.flushHeaders()
      response.on('close', () => listening.delete(response))
      response.on('error', () => listening.delete(response))
      listening.add(response)
    },
  }
}

export function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  return a.length === b.length && timingSafeEqual(a, b)
}
