/** For tests: one event of the live stream. */
export interface StreamEvent {
  readonly event: string
  readonly id?: string
  readonly data: { readonly rows?: [tag: string, room: string | null, ...unknown[]][] }
}

export interface OpenStream {
  readonly events: StreamEvent[]
  /** Settles as soon as something that was heard fits. */
  until(fits: (event: StreamEvent) => boolean): Promise<StreamEvent>
  close(): void
}

/** For tests: opens the live stream of a server. */
export async function openStream(url: string, headers: Record<string, string> = {}): Promise<OpenStream> {
  const abort = new AbortController()
  const response = await fetch(`${url}/api/v1/stream`, { headers, signal: abort.signal })
  const events: StreamEvent[] = []
  let waiting: (() => void)[] = []
  const read = async () => {
    let text = ''
    const decoder = new TextDecoder()
    for await (const part of response.body ?? []) {
      text += decoder.decode(part, { stream: true })
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      events.push(...blocks.map(eventOf))
      for (const wake of waiting.splice(0)) wake()
    }
  }
  void read().catch(() => undefined)
  return {
    events,
    until: async (fits) => {
      for (;;) {
        const found = events.find(fits)
        if (found) return found
        await new Promise<void>((resolve) => {
          waiting.push(resolve)
        })
      }
    },
    close: () => {
      waiting = []
      abort.abort()
    },
  }
}

function eventOf(block: string): StreamEvent {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
  const id = field('id')
  return { event: field('event') ?? '', ...(id && { id }), data: JSON.parse(field('data') ?? '{}') }
}
