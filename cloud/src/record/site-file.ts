import { readFileSync } from 'node:fs'

import { BioTrakrError, isGatewayId, isRoomId, isTagId, parseWhole } from '@biotrakr/shared'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'

/** As the CHECK of site.room.kind. */
const ROOM_KINDS = [
  'patient',
  'ward_bay',
  'corridor',
  'nurse_station',
  'operating',
  'recovery',
  'icu',
  'imaging',
  'lab',
  'storage',
  'clean_utility',
  'dirty_utility',
  'workshop',
  'dock',
  'exit',
  'lift',
  'stair',
  'outside',
  'other',
] as const

/** As the CHECK of rtls.tag.kind. */
const TAG_KINDS = ['rfid_uhf', 'rfid_hf', 'ble', 'ble_sensor', 'badge', 'qr', 'legacy'] as const

const shortName = z.string().trim().min(1).max(200)
const code = z.string().refine(isRoomId, 'must be a name of 1-64 characters')

const shapeSchema = z.strictObject({
  org: z.strictObject({
    slug: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1-63 lower-case letters, digits and hyphens'),
    name: shortName,
  }),
  facility: z.strictObject({
    code,
    name: shortName,
    timeZone: z.string().refine(isTimeZone, 'must be a time zone such as Europe/Berlin'),
  }),
  /** `code` is the name by which site maps and fixes know the room; `name` is the one people read. */
  rooms: z
    .array(z.strictObject({ code, name: shortName.optional(), kind: z.enum(ROOM_KINDS).optional() }))
    .max(10_000)
    .default([]),
  gateways: z
    .array(
      z.strictObject({
        name: z.string().refine(isGatewayId, 'must be 3-63 lower-case letters, digits and hyphens'),
      }),
    )
    .max(10_000)
    .default([]),
  tags: z
    .array(
      z.strictObject({
        identity: z.string().refine(isTagId, 'must be a tag identity such as ble:c30000123456'),
        kind: z.enum(TAG_KINDS).optional(),
        label: shortName.optional(),
      }),
    )
    .max(100_000)
    .default([]),
})

/** Organisation, facility and what belongs to it. Names that occur twice are reported together with all else. */
export const siteSchema = shapeSchema.superRefine((site, context) => {
  const lists = [
    ['rooms', 'code', site.rooms.map((room) => room.code)],
    ['gateways', 'name', site.gateways.map((gateway) => gateway.name)],
    ['tags', 'identity', site.tags.map((tag) => tag.identity)],
  ] as const
  for (const [list, key, names] of lists) {
    const seen = new Set<string>()
    names.forEach((name, i) => {
      if (seen.has(name))
        context.addIssue({ code: 'custom', path: [list, i, key], message: `"${name}" is named twice` })
      seen.add(name)
    })
  }
})

export type Site = z.output<typeof siteSchema>
/** A site as one writes it: lists may be left out. */
export type SiteInput = z.input<typeof siteSchema>

const NEXT = 'Correct the site file; nothing of it was applied.'

/** @throws BioTrakrError SITE_INVALID, naming every problem at once */
export function parseSite(value: unknown, origin: string): Site {
  return parseWhole(siteSchema, value, { origin, code: 'SITE_INVALID', next: NEXT })
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
