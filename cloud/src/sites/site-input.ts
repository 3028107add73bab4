import { BioTrakrError } from '@biotrakr/shared'
import { z } from 'zod'

import { BED_STATES, ROOM_KINDS, ZONE_KINDS } from './lists.ts'
import { areaM2, capacity, code, costCenter, phone, polygon, shortName } from './site-file.ts'

/** What may be edited one by one. */
export type Editable = 'rooms' | 'departments' | 'beds' | 'zones'

export interface InputProblem {
  /** JSON pointer into the input (RFC 6901). */
  readonly pointer: string
  readonly code: string
  readonly detail: string
}

const metres = z.number().min(-10_000).max(10_000)
const roomFields = {
  name: shortName.optional(),
  kind: z.enum(ROOM_KINDS).optional(),
  /** Code of the floor. */
  floor: code.nullish(),
  department: code.nullish(),
  polygon: polygon.nullish(),
  x: metres.nullish(),
  y: metres.nullish(),
  area_m2: areaM2.nullish(),
  capacity: capacity.nullish(),
  is_tracked: z.boolean().optional(),
}
const departmentFields = {
  name: shortName.optional(),
  parent: code.nullish(),
  cost_center: costCenter.nullish(),
  phone: phone.nullish(),
}
const bedFields = { room: code.optional(), state: z.enum(BED_STATES).optional() }
const zoneFields = {
  name: shortName.optional(),
  kind: z.enum(ZONE_KINDS).optional(),
  /** Codes of all its rooms. */
  rooms: z.array(code).max(10_000).optional(),
}
const read = { row_version: z.int().min(1) }

const isPair = ({ x, y }: { readonly x?: number | null | undefined; readonly y?: number | null | undefined }) =>
  typeof x === typeof y
const pair = { path: ['y'], message: 'goes together with x' }

const CHANGES = {
  rooms: z.strictObject({ ...roomFields, ...read }).refine(isPair, pair),
  departments: z.strictObject({ ...departmentFields, ...read }),
  beds: z.strictObject({ ...bedFields, ...read }),
  zones: z.strictObject({ ...zoneFields, ...read }),
}

/** New rooms come with a site file, which says where they are and how one gets there. */
const CREATIONS = {
  departments: z.strictObject({ code, ...departmentFields, name: shortName }),
  beds: z.strictObject({ code, ...bedFields, room: code }),
  zones: z.strictObject({ code, ...zoneFields, name: shortName }),
}

export type Fields = Readonly<Record<string, unknown>>

/** @throws BioTrakrError INPUT_INVALID */
export function parseChange(what: Editable, input: unknown): Fields & { readonly row_version: number } {
  return parseInput<Fields & { readonly row_version: number }>(CHANGES[what], input)
}

/** @throws BioTrakrError INPUT_INVALID */
export function parseCreation(what: Exclude<Editable, 'rooms'>, input: unknown): Fields {
  return parseInput<Fields>(CREATIONS[what], input)
}

/** @throws BioTrakrError INPUT_INVALID, naming every problem at once */
export function parseInput<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  throw wrongInput(result.error.issues.flatMap(problemsOf))
}

export function wrongInput(errors: readonly InputProblem[]): BioTrakrError {
  const count = errors.length === 1 ? 'One value is' : `${errors.length} values are`
  return new BioTrakrError(`${count} not as they must be`, {
    code: 'INPUT_INVALID',
    next: 'Correct what `errors` names; nothing was changed.',
    details: { errors },
  })
}

function problemsOf(issue: z.core.$ZodIssue): InputProblem[] {
  const at = issue.path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
  if (issue.code !== 'unrecognized_keys') return [{ pointer: at, code: issue.code, detail: issue.message }]
  return issue.keys.map((key) => ({ pointer: `${at}/${key}`, code: 'unknown', detail: 'is not known here' }))
}
