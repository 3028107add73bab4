import { createHash } from 'node:crypto'

import type { ClientBase } from 'pg'

export interface SlowStatement {
  /** The same for the same statement, whatever its values: the first 12 digits of a SHA-256. */
  readonly fingerprint: string
  /** Its text without any value, at most 500 characters. */
  readonly text: string
  readonly tookMs: number
}

interface WatchOptions {
  readonly pooled?: boolean | undefined
  readonly onSlow?: ((statement: SlowStatement) => void) | undefined
}

const SLOW_MS = 1_000
const MOST_TEXT = 500

type Ended = () => void

/** Puts a client's statements under watch: names are left out behind a pooler, and slow ones are told. */
export function watchStatements(client: ClientBase, { pooled = false, onSlow }: WatchOptions): void {
  if (!pooled && !onSlow) return
  const original = client.query.bind(client) as (...args: unknown[]) => unknown
  const query = (statement: unknown, ...rest: unknown[]): unknown => {
    const sent = pooled ? withoutName(statement) : statement
    const text = textOf(sent)
    if (!onSlow || text === undefined) return original(sent, ...rest)
    const startedMs = performance.now()
    const ended = () => {
      const tookMs = performance.now() - startedMs
      if (tookMs >= SLOW_MS) onSlow({ ...maskStatement(text), tookMs })
    }
    const answered = original(sent, ...rest.map((part) => (typeof part === 'function' ? calling(part, ended) : part)))
    if (answered instanceof Promise) answered.then(ended, ended)
    return answered
  }
  Object.assign(client, { query })
}

function calling(callback: object, ended: Ended): (...result: unknown[]) => void {
  return (...result) => {
    ended()
    ;(callback as (...parts: unknown[]) => void)(...result)
  }
}

/** A stream such as that of COPY is left as it is. */
function withoutName(statement: unknown): unknown {
  if (typeof statement !== 'object' || statement === null || 'submit' in statement) return statement
  return { ...statement, name: undefined }
}

function textOf(statement: unknown): string | undefined {
  if (typeof statement === 'string') return statement
  if (typeof statement !== 'object' || statement === null || 'submit' in statement) return undefined
  return 'text' in statement && typeof statement.text === 'string' ? statement.text : undefined
}

/** Values are parameters as a rule; what stands in the text itself, in quotes or as a number, goes too. */
export function maskStatement(sql: string): { readonly fingerprint: string; readonly text: string } {
  const text = sql
    .replace(/\$([A-Za-z_]\w*)?\$[\s\S]*?\$\1\$/g, '?')
    .replace(/'(?:[^']|'')*'/g, '?')
    .replace(/(?<![\w$])\d+(?:\.\d+)?/g, '?')
    .replace(/\s+/g, ' ')
    .trim()
  const fingerprint = createHash('sha256').update(text).digest('hex').slice(0, 12)
  return { fingerprint, text: text.slice(0, MOST_TEXT) }
}
