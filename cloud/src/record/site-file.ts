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

/** Each list checks its own names, so that one broken list does not hide what is wrong in another. */
function unique<Key extends string>(key: Key) {
  return (items: readonly Readonly<Record<Key, string>>[], context: z.RefinementCtx) => {
    const seen = new Set<string>()
    items.forEach((item, i) => {
      if (seen.has(item[key])) {
        context.addIssue({ code: 'custom', path: [i, key], message: `"${item[key]}" is named twice` })
      }
      seen.add(item[key])
    })
  }
}

/** `code` is the name by which site maps and fixes know a room; `name` is the one people read. */
const room = z.strictObject({ code, name: shortName.optional(), kind: z.enum(ROOM_KINDS).optional() })

const gateway = z.strictObject({
  name: z.string().refine(isGatewayId, 'must be 3-63 lower-case letters, digits and hyphens'),
})

const tag = z.strictObject({
  identity: z.string().refine(isTagId, 'must be a tag identity such as ble:c30000123456'),
  kind: z.enum(TAG_KINDS).optional(),
  label: shortName.optional(),
})

/** An organisation, one facility of it, and what belongs to that. */
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
  rooms: z.array(room).max(10_000).superRefine(unique('code')).default([]),
  gateways: z.array(gateway).max(10_000).superRefine(unique('name')).default([]),
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
