import { BioTrakrError } from '@biotrakr/shared'
import { z } from 'zod'

/** One thing wrong with what was sent; `pointer` is a JSON pointer (RFC 6901) into it. */
export interface InputProblem {
  readonly pointer: string
  readonly code: string
  readonly detail: string
}

/** @throws BioTrakrError INPUT_INVALID that names every problem */
export function checkInput<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw invalidInput(result.error.issues.flatMap(problemsOf))
}

function problemsOf(issue: z.core.$ZodIssue): InputProblem[] {
  const path = issue.path.map((part) => `/${String(part)}`).join('')
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ pointer: `${path}/${key}`, code: 'unknown', detail: 'there is no such field' }))
  }
  return [{ pointer: path, code: issue.code, detail: issue.message }]
}

/** @param errors at least one */
export function invalidInput(errors: readonly InputProblem[]): BioTrakrError {
  const said = errors.map(({ pointer, detail }) => `${pointer.slice(1) || 'the whole'}: ${detail}`).join('; ')
  return new BioTrakrError(`Not accepted: ${said}`, {
    code: 'INPUT_INVALID',
    next: 'Correct what is named and send it again; nothing was changed.',
    details: { errors },
  })
}

/** Text without control characters, trimmed, in one Unicode form; empty is refused. */
export function text(max: number): z.ZodType<string> {
  return z
    .string()
    .transform((value) => value.normalize('NFC').trim())
    .pipe(
      z
        .string()
        .min(1, 'must not be empty')
        .max(max, `must have at most ${max} characters`)
        .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must not hold control characters'),
    )
}

/** Like `text`, but with line breaks and tabs. */
export function longText(max: number): z.ZodType<string> {
  return z
    .string()
    .transform((value) => value.normalize('NFC').trim())
    .pipe(
      z
        .string()
        .min(1, 'must not be empty')
        .max(max, `must have at most ${max} characters`)
        .regex(/^(?:[^\p{Cc}\p{Cs}]|[\n\r\t])*$/u, 'must not hold control characters'),
    )
}

export const webAddress = text(500).refine(
  (value) => /^https?:\/\/\S+$/.test(value),
  'must begin with http:// or https://',
)
export const rowVersion = z.int().min(1)

/** For a change: at least one field besides `row_version`. */
export function hasChange(value: object): boolean {
  return Object.entries(value).some(([key, field]) => key !== 'row_version' && field !== undefined)
}

export const deletion = z.strictObject({ row_version: z.coerce.number().int().min(1), reason: text(500) })
export const restoration = z.strictObject({ row_version: rowVersion })

/** Which rows of a list, and from where on; as a query string says it. */
export const listQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().min(1).max(1024).optional(),
  /** Rows that were deleted instead of those that live. */
  deleted: z.stringbool().default(false),
})

export interface Page<T> {
  readonly items: readonly T[]
  /** Where the next page begins; null on the last one. */
  readonly next: string | null
}

/** @param rows one more than `limit` where there is a next page */
export function pageOf<T>(rows: readonly T[], limit: number, keyOf: (row: T) => readonly string[]): Page<T> {
  const items = rows.slice(0, limit)
  const last = rows.length > limit ? items.at(-1) : undefined
  return { items, next: last ? Buffer.from(JSON.stringify(keyOf(last))).toString('base64url') : null }
}

/** @throws BioTrakrError INPUT_INVALID for a cursor that is not one of this list */
export function readCursor(cursor: string | undefined): readonly [key: string, id: string] | undefined {
  if (cursor === undefined) return undefined
  const key = cursorKey.safeParse(readJson(Buffer.from(cursor, 'base64url').toString('utf8')))
  if (key.success) return key.data
  throw invalidInput([{ pointer: '/cursor', code: 'cursor', detail: 'is not one of this list; begin without' }])
}

const cursorKey = z.tuple([z.string(), z.uuid()])

/** @returns undefined for what is not JSON */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
