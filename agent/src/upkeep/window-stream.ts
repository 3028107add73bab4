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
  /** Answers a request for the stream, while there is room for one more listener. */
  serve(request: IncomingMessage, response: ServerResponse): void
  /** Listeners now, and those let go because they did not keep up. */
  readonly listeners: number
  readonly dropped: number
}

const MAX_LISTENERS = 4
/** A listener that is this far behind has gone. */
const MAX_WAITING_BYTES = 4_000_000

/** One JSON object a second, a line each, to a few listeners. */
export function createWindowStream(): WindowStream {
  const listening = new Set<ServerResponse>()
  let dropped = 0
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
    serve(_request, response) {
      if (listening.size >= MAX_LISTENERS) {
        response.writeHead(503, { 'content-type': 'text/plain' })
        response.end(`${MAX_LISTENERS} listen already\n`)
        return
      }
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      response.flushHeaders()
      response.on('close', () => listening.delete(response))
      response.on('error', () => listening.delete(response))
      listening.add(response)
    },
  }
}
