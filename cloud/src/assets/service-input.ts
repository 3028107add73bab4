import { z } from 'zod'

import { rowVersion } from './asset-input.ts'

/** Columns of PostgreSQL take days far beyond these; nothing of a hospital does. */
export const day = z.iso
  .date('must be a day such as 2026-03-31')
  .refine((value) => value >= '1900-01-01' && value <= '2200-12-31', 'must lie between 1900 and 2200')

export const moment = z.iso.datetime({ offset: true, error: 'must be a moment such as 2026-03-31T12:00:00Z' })

/** Minor units, such as cents. The greatest lies below what a number of JSON holds exactly. */
export const money = z.int().min(0).max(9_000_000_000_000_000)
export const currency = z.string().regex(/^[A-Z]{3}$/, 'must be three letters (ISO 4217)')

/** How many rows a list gives at most, as a query string says it. */
export const limit = z.coerce.number().int().min(1).max(1_000).default(200)
export const facility = z.coerce.number().int().min(1).max(2_147_483_647)

/** Fields of a change: any of them, and the version that was read. */
export function changeOf<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z
    .strictObject({ ...z.strictObject(shape).partial().shape, row_version: rowVersion })
    .refine((value) => Object.keys(value).length > 1, 'names nothing to change')
}
