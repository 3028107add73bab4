import { once } from 'node:events'
import type { Writable } from 'node:stream'

import type { Answer } from '../capture.ts'

interface AnswerWriter {
  /** Settles at once, or when there is room again. */
  write(answer: Answer): Promise<void>
  end(): Promise<void>
}

const CHUNK = 65_536

/** Answers as JSON lines: the same answers give the same bytes. */
export function createAnswerWriter(to: Writable): AnswerWriter {
  let held = ''
  const flush = async () => {
    const isTaken = held === '' || to.write(held)
    held = ''
    if (!isTaken) await once(to, 'drain')
  }
  return {
    async write({ as, what }) {
      held += `${JSON.stringify({ as, ...what }, (_, value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value))}\n`
      if (held.length >= CHUNK) await flush()
    },
    end: flush,
  }
}
