import type { z } from 'zod'

import { BioTrakrError, type ErrorCode } from './errors.ts'

/**
 * Checks a whole document once, at the edge, and reports every problem together, each with its path and what is wrong.
 * @param origin where the document comes from (a file path), for the message
 * @throws BioTrakrError with `code`; its message has one line per problem
 */
export function parseWhole<T>(schema: z.ZodType<T>, value: unknown, { origin, code, next }: Origin): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const problems = result.error.issues.flatMap(problemLines)
  const noun = problems.length === 1 ? 'problem' : 'problems'
  throw new BioTrakrError(`${origin} has ${problems.length} ${noun}:\n${problems.join('\n')}`, { code, next })
}

interface Origin {
  readonly origin: string
  readonly code: ErrorCode
  readonly next: string
}

function problemLines(issue: z.core.$ZodIssue): string[] {
  const path = pathText(issue.path)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `  ${path ? `${path}.` : ''}${key}: unknown key; check the spelling or remove it`)
  }
  return [`  ${path || '(whole document)'}: ${issue.message}`]
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text ? `${text}.${String(part)}` : String(part)
  }, '')
}
