import { BioTrakrError } from '@biotrakr/shared'
import type { z } from 'zod'

/** @throws BioTrakrError INPUT_INVALID that names every problem at once */
export function checkInput<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const errors = result.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ pointer: `/${key}`, code: 'unknown', detail: 'is not known here' }))
      : [{ pointer: `/${issue.path.join('/')}`, code: issue.code, detail: issue.message }],
  )
  throw refuseInput(errors)
}

interface InputProblem {
  readonly pointer: string
  readonly code: string
  readonly detail: string
}

function refuseInput(errors: readonly InputProblem[]): BioTrakrError {
  const all = errors.map(({ pointer, detail }) => `${pointer.slice(1) || 'it'}: ${detail}`).join('; ')
  return new BioTrakrError(`This cannot be taken (${all})`, {
    code: 'INPUT_INVALID',
    next: 'Correct what is named; nothing was changed.',
    details: { errors },
  })
}

export function notFound(what: string, next: string): BioTrakrError {
  return new BioTrakrError(`There is no ${what}`, { code: 'NOT_FOUND', next })
}
