import { BioTrakrError } from '@biotrakr/shared'
import { z } from 'zod'

interface FieldError {
  readonly pointer: string
  readonly code: string
  readonly detail: string
}

/** @throws BioTrakrError INPUT_INVALID with every problem at once */
export function parseInput<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw invalid(result.error.issues.flatMap(fieldErrors))
}

export function invalid(errors: readonly FieldError[]): BioTrakrError {
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

/** @throws BioTrakrError NOT_FOUND, for another tenant's just as for none */
export function notFound(what: string, name: string): BioTrakrError {
  return new BioTrakrError(`There is no ${what} ${name}`, {
    code: 'NOT_FOUND',
    next: 'Check the name; it may belong to another organisation or facility.',
  })
}

/** A time with its zone (ISO 8601). */
export const instant = z.iso
  .datetime({ offset: true, error: 'must be a time with its zone, such as 2026-03-01T08:00:00Z' })
  .transform((text) => new Date(text))

export const uuid = z.uuid({ error: 'must be an id (UUID)' })
