import type { BioTrakrError } from '@biotrakr/shared'
import type { FastifyReply } from 'fastify'

/** Every problem the API can answer with (RFC 9457). A code never changes; `next` is one sentence: what to do now. */
const PROBLEMS = {
  validation: [400, 'The request is not understood', 'Correct what `errors` names and send it again.'],
  'cursor-mismatch': [400, 'The cursor is not one of this list', 'Begin again without `cursor`.'],
  unauthenticated: [401, 'Sign in first', 'Sign in at /api/v1/session, or send `Authorization: Bearer` with a token.'],
  forbidden: [403, 'This account may not do that', 'Ask an administrator for the right that `detail` names.'],
  'not-found': [404, 'There is no such thing', 'Check the address and the identity in it.'],
  conflict: [409, 'That does not fit what is there', 'See `detail`; nothing was changed.'],
  'row-version': [
    409,
    'Somebody else changed it meanwhile',
    'Compare `current` with `yours`, then send the change again with the new row_version.',
  ],
  'too-large': [413, 'The request is too large', 'Send less; this API takes no large requests.'],
  'unsupported-media': [415, 'The request has a type that is not known here', 'Send a form or nothing at all.'],
  misdirected: [421, 'That host name is not one of this service', 'Use the address that the service was started with.'],
  internal: [500, 'Something went wrong here', 'Try again; if it stays so, report the request id in `instance`.'],
  overloaded: [503, 'Too much at once', 'Try again in a few seconds.'],
  'database-down': [503, 'The database does not answer', 'Try again in a moment; if it stays so, tell the operator.'],
} as const satisfies Readonly<Record<string, readonly [status: number, title: string, next: string]>>

export type ProblemCode = keyof typeof PROBLEMS

export interface FieldError {
  readonly pointer: string
  readonly code: string
  readonly detail: string
}

interface ProblemDetails {
  readonly detail?: string
  readonly errors?: readonly FieldError[]
  /** Other members of the answer, for programs. */
  readonly [member: string]: unknown
}

const RETRY_SECONDS = 5

export function sendProblem(reply: FastifyReply, code: ProblemCode, details: ProblemDetails = {}): FastifyReply {
  const [status, title, next] = PROBLEMS[code]
  if (status === 503) reply.header('retry-after', String(RETRY_SECONDS))
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="biotrakr"')
  const instance = `urn:uuid:${reply.request.id}`
  const body = { type: `/problems/${code}`, title, status, code, next, instance, ...details }
  return reply
    .code(status)
    .type('application/problem+json; charset=utf-8')
    .send(JSON.stringify(status === 503 ? { ...body, retry_after: RETRY_SECONDS } : body))
}

const CODES: Partial<Record<BioTrakrError['code'], ProblemCode>> = {
  INPUT_INVALID: 'validation',
  UNAUTHENTICATED: 'unauthenticated',
  NOT_ALLOWED: 'forbidden',
  NOT_FOUND: 'not-found',
  CONFLICT: 'conflict',
  ROW_VERSION: 'row-version',
  OVERLOADED: 'overloaded',
}

/** Answers with an error that the caller can do something about. @returns undefined for any other error */
export function sendRefusal(reply: FastifyReply, error: BioTrakrError): FastifyReply | undefined {
  const code = CODES[error.code]
  return code && sendProblem(reply, code, { detail: `${error.message}. ${error.next}`, ...error.details })
}

/** The page that a problem's `type` leads to. @returns undefined for a code that no problem has */
export function describeProblem(code: string): string | undefined {
  if (!Object.hasOwn(PROBLEMS, code)) return undefined
  const [status, title, next] = PROBLEMS[code as ProblemCode]
  return `${code} (HTTP ${status})\n\n${title}.\n${next}\n`
}
