import type { IncomingMessage, ServerResponse } from 'node:http'

import { isTagId, type TagId } from '@biotrakr/shared'

interface ExplainAnswerOptions {
  /** What is to be said of a tag; undefined for one that was not heard. */
  readonly explain: (tag: TagId) => object | undefined
}

/** Answers `/explain?tag=...`: where a tag is said to be, and why. */
export function createExplainAnswer({ explain }: ExplainAnswerOptions) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const say = (status: number, document: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(`${JSON.stringify(document)}\n`)
    }
    const tag = new URL(request.url ?? '', 'http://localhost').searchParams.get('tag') ?? ''
    const explanation = isTagId(tag) ? explain(tag) : undefined
    if (explanation) say(200, explanation)
    else say(404, { error: 'this tag was not heard since the agent started' })
  }
}
