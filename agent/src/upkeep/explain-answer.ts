import type { IncomingMessage, ServerResponse } from 'node:http'

import { isTagId, type TagId } from '@biotrakr/shared'

import { isSame } from './window-stream.ts'

interface ExplainAnswerOptions {
  readonly token: string
  /** What is to be said of a tag; undefined for one that was not heard. */
  readonly explain: (tag: TagId) => object | undefined
}

/** Answers `/explain?tag=...` for whoever has the token of this gateway: where a tag is said to be, and why. */
export function createExplainAnswer({ token, explain }: ExplainAnswerOptions) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const say = (status: number, document: object): void => {
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      response.end(`${JSON.stringify(document)}\n`)
    }
    if (!isSame(request.headers.authorization ?? '', `Bearer ${token}`)) {
      say(401, { error: 'the token in api.token of the data folder is needed' })
      return
    }
    const tag = new URL(request.url ?? '', 'http://localhost').searchParams.get('tag') ?? ''
    const explanation = isTagId(tag) ? explain(tag) : undefined
    if (explanation) say(200, explanation)
    else say(404, { error: 'this tag was not heard since the agent started' })
  }
}
