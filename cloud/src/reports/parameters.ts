import { z } from 'zod'

import { instant } from './input.ts'

const DAYS = 'whole days, 1 to'

/** Parameters that several reports have, each with what it takes. */
export const asset = z.string().min(1).max(64).describe('number of an asset (asset tag)')
export const facility = z.string().min(1).max(64).describe('code of a facility')
export const room = z.string().min(1).max(64).describe('code of a room of the facility')
export const zone = z.string().min(1).max(64).describe('code of a zone of the facility')
export const category = z.string().min(1).max(64).describe('code of a category of assets')
export const from = instant.describe('begin, a time with its zone')
export const to = instant.describe('end, a time with its zone')
export const at = instant.describe('a time with its zone')

export const anyFacility = facility.optional().describe('code of a facility; all in reach without it')
export const anyCategory = category.optional().describe('code of a category of assets; all without it')
export const anyRoom = room.optional().describe('code of a room of the facility')
export const anyZone = zone.optional().describe('code of a zone of the facility')

export function days(usual: number, most = 400) {
  return z.coerce.number().int().min(1).max(most).default(usual).describe(`${DAYS} ${most}`)
}

export function minutes(usual: number) {
  return z.coerce.number().int().min(1).max(100_000).default(usual).describe('whole minutes, 1 to 100,000')
}
