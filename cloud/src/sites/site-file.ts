import { readFileSync } from 'node:fs'

import { BioTrakrError, isGatewayId, isRoomId, isSimplePolygon, isTagId, parseWhole } from '@biotrakr/shared'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'

import { BED_STATES, DOORS, RECEIVER_KINDS, RECEIVER_STATUSES, ROOM_KINDS, TAG_KINDS, ZONE_KINDS } from './lists.ts'

export const shortName = z.string().trim().min(1).max(200)
export const code = z.string().refine(isRoomId, 'must be a name of 1-64 characters')
const smallText = z.string().trim().min(1).max(64)
/** Metres from the map's origin. */
const metres = z.number().min(-10_000).max(10_000)
const floorPoint = z.tuple([metres, metres])
export const polygon = z
  .array(floorPoint)
  .min(3)
  .max(64)
  .refine(isSimplePolygon, 'must hold an area, and its edges must not cross')
export const areaM2 = z.number().min(0).max(1_000_000)
export const capacity = z.int().min(0).max(10_000)
export const costCenter = smallText
export const phone = smallText

/** Each list checks its own names, so that one broken list does not hide what is wrong in another. */
function unique<Item>(key: keyof Item & string, keyOf: (item: Item) => string = (item) => String(item[key])) {
  return (items: readonly Item[], context: z.RefinementCtx) => {
    const seen = new Set<string>()
    items.forEach((item, i) => {
      const own = keyOf(item)
      if (seen.has(own)) context.addIssue({ code: 'custom', path: [i, key], message: `"${own}" is named twice` })
      seen.add(own)
    })
  }
}

const building = z.strictObject({ code, name: shortName.optional() })

/** `code` is the name of the storey in site maps. */
const floor = z.strictObject({ code, building: code, level: z.int().min(-20).max(200), name: shortName.optional() })

const department = z.strictObject({
  code,
  name: shortName.optional(),
  parent: code.nullish(),
  costCenter: costCenter.nullish(),
  phone: phone.nullish(),
})

/** `code` is the name by which site maps and fixes know a room; `name` is the one people read. */
const room = z.strictObject({
  code,
  name: shortName.optional(),
  kind: z.enum(ROOM_KINDS).optional(),
  floor: code.nullish(),
  department: code.nullish(),
  /** Corners in order, the first one not again at the end. */
  polygon: polygon.nullish(),
  /** Where a name or a symbol for the whole room stands. */
  at: floorPoint.nullish(),
  areaM2: areaM2.nullish(),
  /** People or beds that it is meant for. */
  capacity: capacity.nullish(),
  /** `false`: nothing is located in it, so that no site map has it. */
  tracked: z.boolean().optional(),
})

const bed = z.strictObject({ room: code, code, state: z.enum(BED_STATES).optional() })

/** `rooms`, where given, are all of them. */
const zone = z.strictObject({
  code,
  name: shortName.optional(),
  kind: z.enum(ZONE_KINDS).optional(),
  rooms: z.array(code).max(10_000).optional(),
})

const door = z.strictObject({
  between: z.tuple([code, code]).refine(([a, b]) => a !== b, 'must be two rooms'),
  door: z.enum(DOORS).optional(),
  distanceM: z.number().min(0).max(10_000).nullish(),
  at: floorPoint.nullish(),
  /** Name of the doorway with antennas; theirs count from the first room to the second. */
  portal: code.nullish(),
})

const gateway = z.strictObject({
  name: z.string().refine(isGatewayId, 'must be 3-63 lower-case letters, digits and hyphens'),
  room: code.nullish(),
})

const receiver = z
  .strictObject({
    /** The name of it in site maps; of a room beacon or LF exciter the mark that tags pass on. */
    code,
    kind: z.enum(RECEIVER_KINDS),
    gateway: z.string().refine(isGatewayId, 'must be the name of a gateway').nullish(),
    room: code.nullish(),
    at: z.tuple([metres, metres, metres]).nullish(),
    /** Hears only what is in its room. */
    exact: z.boolean().optional(),
    portal: code.nullish(),
    /** From 1, in the order in which something passes the antennas of the portal. */
    portalPlace: z.int().min(1).max(8).nullish(),
    status: z.enum(RECEIVER_STATUSES).optional(),
  })
  .refine(({ portal, portalPlace }) => (typeof portal === 'string') === (typeof portalPlace === 'number'), {
    path: ['portalPlace'],
    message: 'goes together with portal',
  })

const tag = z.strictObject({
  identity: z.string().refine(isTagId, 'must be a tag identity such as ble:c30000123456'),
  kind: z.enum(TAG_KINDS).optional(),
  label: shortName.optional(),
})

/** An organisation, one facility of it, and what belongs to that. `null` takes away what was written down before. */
const siteSchema = z.strictObject({
  org: z.strictObject({
    slug: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1-63 lower-case letters, digits and hyphens'),
    name: shortName,
  }),
  facility: z.strictObject({
    code,
    name: shortName,
    timeZone: z.string().refine(isTimeZone, 'must be a time zone such as Europe/Berlin'),
  }),
  buildings: z.array(building).max(1_000).superRefine(unique('code')).default([]),
  floors: z.array(floor).max(2_000).superRefine(unique('code')).default([]),
  departments: z.array(department).max(2_000).superRefine(unique('code')).default([]),
  rooms: z.array(room).max(10_000).superRefine(unique('code')).default([]),
  beds: z
    .array(bed)
    .max(20_000)
    .superRefine(unique('code', ({ room: of, code: own }) => `${of}/${own}`))
    .default([]),
  zones: z.array(zone).max(10_000).superRefine(unique('code')).default([]),
  doors: z
    .array(door)
    .max(100_000)
    .superRefine(unique('between', ({ between }) => [...between].sort().join(' - ')))
    .default([]),
  gateways: z.array(gateway).max(10_000).superRefine(unique('name')).default([]),
  receivers: z.array(receiver).max(10_000).superRefine(unique('code')).default([]),
  tags: z.array(tag).max(100_000).superRefine(unique('identity')).default([]),
})

export type Site = z.output<typeof siteSchema>
/** A site as one writes it: lists may be left out. */
export type SiteInput = z.input<typeof siteSchema>

const NEXT = 'Correct the site file; nothing of it was applied.'

/** @throws BioTrakrError SITE_INVALID, naming every problem at once */
export function parseSite(value: unknown, origin: string): Site {
  return parseWhole(siteSchema, value, { origin, code: 'SITE_INVALID', next: NEXT })
}

export interface SiteProblem {
  readonly path: readonly (string | number)[]
  readonly message: string
}

/** @throws BioTrakrError SITE_INVALID, where there are problems, naming all of them */
export function refuseProblems(problems: readonly SiteProblem[]): void {
  const asIssues = z.unknown().superRefine((_, context) => {
    for (const { path, message } of problems) context.addIssue({ code: 'custom', path: [...path], message })
  })
  parseWhole(asIssues, {}, { origin: 'The site', code: 'SITE_INVALID', next: NEXT })
}

/**
 * Reads a site file (YAML, of which JSON is a part).
 * @throws BioTrakrError CONFIG_UNREADABLE or SITE_INVALID
 */
export function parseSiteFile(path: string): Site {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new BioTrakrError(`The site file ${path} cannot be read`, {
      code: 'CONFIG_UNREADABLE',
      next: 'Check the path and the rights of the file.',
      cause,
    })
  }
  return parseSite(yaml(text, path), path)
}

function yaml(text: string, path: string): unknown {
  try {
    return parseYaml(text)
  } catch (cause) {
    throw new BioTrakrError(`The site file ${path} is not valid YAML`, { code: 'SITE_INVALID', next: NEXT, cause })
  }
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}
