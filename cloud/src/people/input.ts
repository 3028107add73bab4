import { BioTrakrError } from '@biotrakr/shared'
import { z } from 'zod'

/** One thing that is wrong with an input, and where (RFC 6901). */
interface FieldError {
  readonly pointer: string
  readonly code: string
  readonly detail: string
}

/** @throws BioTrakrError INPUT_INVALID with every problem; values are not repeated, since they may name a person */
export function parseInput<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw invalidInput(result.error.issues.flatMap(fieldErrors))
}

function invalidInput(errors: readonly FieldError[]): BioTrakrError {
  const text = errors.map(({ pointer, detail }) => `${pointer || 'the input'}: ${detail}`).join('; ')
  return new BioTrakrError(`The input is wrong: ${text}`, {
    code: 'INPUT_INVALID',
    next: 'Correct it and send it again; nothing was changed.',
    details: { errors },
  })
}

function fieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ pointer: `/${key}`, code: 'unknown', detail: 'is not a field of this' }))
  }
  return [{ pointer: issue.path.map((part) => `/${String(part)}`).join(''), code: issue.code, detail: issue.message }]
}

/** @throws BioTrakrError NOT_FOUND, for another tenant's id just as for none */
export function notFound(what: string): BioTrakrError {
  return new BioTrakrError(`There is no such ${what}`, {
    code: 'NOT_FOUND',
    next: 'Check the id; it may have been erased, or belong to another organisation.',
  })
}

export function conflict(message: string, next: string): BioTrakrError {
  return new BioTrakrError(message, { code: 'CONFLICT', next })
}

/** An instant with its zone (ISO 8601), as milliseconds of the epoch. */
export const instant = z.iso.datetime({
  offset: true,
  error: 'must be a time with its zone, such as 2026-03-01T08:00:00Z',
})

const CONTROL = /\p{Cc}/u

/** Text that people write: trimmed, composed (NFC), without control characters. */
export function personText(max: number) {
  return z
    .string()
    .transform((text) => text.normalize('NFC').trim())
    .refine((text) => text.length >= 1 && text.length <= max, { error: `must have 1 to ${max} characters` })
    .refine((text) => !CONTROL.test(text), { error: 'must not contain control characters' })
}

export const uuid = z.uuid({ error: 'must be an id (UUID)' })

/** Of a list by id; from a query of an address as well, where numbers are text. */
export const pageSchema = z.strictObject({
  after: uuid.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
})
