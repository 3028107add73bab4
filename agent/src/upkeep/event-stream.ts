import type { IncomingMessage, ServerResponse } from 'node:http'

interface EventStreamOptions {
  readonly maxListeners: number
  /** What a new listener is told first; nothing of it is lost between it and what is published next. */
  readonly greet: () => readonly StreamEvent[]
}

interface StreamEvent {
  readonly event: string
  readonly data: object
}

export interface EventStream {
  /** Tells everybody who listens. Costs nothing while nobody does. */
  publish(event: string, data: () => object): void
  serve(request: IncomingMessage, response: ServerResponse): void
  /** Listeners now, those let go because they did not keep up, and those turned away because there were too many. */
  readonly listeners: number
  readonly dropped: number
  readonly refused: number
}

/** A listener that is this far behind has gone; the first message to it may be long, and does not count. */
const MAX_WAITING_BYTES = 1_000_000

/** Server-sent events (WHATWG HTML, 9.2) for a few listeners; one that does not read is let go and may come back. */
export function createEventStream({ maxListeners, greet }: EventStreamOptions): EventStream {
  /** Each with the bytes that its greeting left waiting. */
  const listening = new Map<ServerResponse, number>()
  let [dropped, refused] = [0, 0]
  return {
    get listeners() {
      return listening.size
    },
    get dropped() {
      return dropped
    },
    get refused() {
      return refused
    },
    publish(event, data) {
      if (listening.size === 0) return
      const frame = frameOf({ event, data: data() })
      for (const [response, greeting] of listening) {
        if (response.writableLength <= MAX_WAITING_BYTES + greeting) response.write(frame)
        else {
          dropped += 1
          listening.delete(response)
          response.destroy()
        }
      }
    },
    serve(_request, response) {
      if (listening.size >= maxListeners) {
        refused += 1
        response.writeHead(503, { 'content-type': 'text/plain', 'retry-after': '10' })
        response.end(`${maxListeners} listen already\n`)
        return
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.on('close', () => listening.delete(response))
      response.on('error', () => listening.delete(response))
      response.write(`retry: 2000\n\n${greet().map(frameOf).join('')}`)
      listening.set(response, response.writableLength)
    },
  }
}

function frameOf({ event, data }: StreamEvent): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
