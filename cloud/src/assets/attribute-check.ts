import { z } from 'zod'

import { type InputProblem, invalidInput } from './asset-input.ts'

type AttributeValue = string | number | boolean | null
export type Attributes = Readonly<Record<string, AttributeValue>>

/** What is said of one further field. */
export interface AttributeRule {
  readonly key: string
  readonly type: 'text' | 'integer' | 'number' | 'boolean' | 'date' | 'choice'
  readonly required: boolean
  /** Accepted values of a `choice`. */
  readonly choices: readonly string[]
}

export const attributeKey = z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, 'must be a-z, then a-z, 0-9 or _, 40 at most')

/** Values to set, null to take one away (RFC 7396). */
export const attributePatch = z
  .record(attributeKey, z.union([z.string().max(1_000), z.number(), z.boolean(), z.null()]))
  .refine((value) => Object.keys(value).length <= 200, 'must have at most 200 keys')

interface Check {
  readonly before: Attributes
  readonly patch: Attributes
  readonly definitions: readonly AttributeRule[]
  /** Also what was there before: for another category, whose fields are others. */
  readonly checkAll: boolean
}

/** Bytes of the JSON; the column takes 16,384 in its own form. */
const MAX_BYTES = 12_000

/**
 * The attributes after a change. What is not touched is not checked: a definition that became stricter must not keep
 * people from changing something else.
 * @throws BioTrakrError INPUT_INVALID that names every key
 */
export function checkAttributes({ before, patch, definitions, checkAll }: Check): Attributes {
  const rules = new Map(definitions.map((rule) => [rule.key, rule]))
  const after = Object.fromEntries(Object.entries({ ...before, ...patch }).filter(([, value]) => value !== null))
  const touched = new Set(checkAll ? [...Object.keys(after), ...rules.keys()] : Object.keys(patch))
  const problems = [...touched].flatMap((key) => problemOf(key, after[key], rules.get(key)))
  if (Buffer.byteLength(JSON.stringify(after)) > MAX_BYTES) {
    problems.push({ pointer: '/attrs', code: 'too_big', detail: `all together must stay below ${MAX_BYTES} bytes` })
  }
  if (problems.length > 0) throw invalidInput(problems)
  return after
}

function problemOf(key: string, value: AttributeValue | undefined, rule: AttributeRule | undefined): InputProblem[] {
  const pointer = `/attrs/${key}`
  if (value === undefined) {
    return rule?.required ? [{ pointer, code: 'required', detail: 'is needed for this category' }] : []
  }
  if (rule === undefined) return [{ pointer, code: 'unknown', detail: 'is no attribute of this category' }]
  const wanted = EXPECTED[rule.type](value, rule)
  return wanted === undefined ? [] : [{ pointer, code: 'type', detail: wanted }]
}

type Expectation = (value: AttributeValue, rule: AttributeRule) => string | undefined

const isDate = (value: AttributeValue) => z.iso.date().safeParse(value).success
const EXPECTED: Readonly<Record<AttributeRule['type'], Expectation>> = {
  text: (value) => (typeof value === 'string' && value.trim() !== '' ? undefined : 'must be a text'),
  integer: (value) => (Number.isSafeInteger(value) ? undefined : 'must be a whole number'),
  number: (value) => (Number.isFinite(value) ? undefined : 'must be a number'),
  boolean: (value) => (typeof value === 'boolean' ? undefined : 'must be true or false'),
  date: (value) => (isDate(value) ? undefined : 'must be a date such as 2026-03-31'),
  choice: (value, { choices }) =>
    choices.some((choice) => choice === value) ? undefined : `must be one of ${choices.join(', ')}`,
}

/**
 * What somebody typed, as a value of this attribute.
 * @returns undefined when it cannot be one
 */
export function readAttribute(typed: string, rule: AttributeRule): AttributeValue | undefined {
  const value = typed.trim() === '' ? null : READ[rule.type](typed.trim())
  return value === null || EXPECTED[rule.type](value, rule) !== undefined ? undefined : value
}

const asTyped = (typed: string) => typed
const READ: Readonly<Record<AttributeRule['type'], (typed: string) => AttributeValue>> = {
  text: asTyped,
  integer: Number,
  number: Number,
  boolean: (typed) => ({ true: true, yes: true, false: false, no: false })[typed.toLowerCase()] ?? null,
  date: asTyped,
  choice: asTyped,
}
