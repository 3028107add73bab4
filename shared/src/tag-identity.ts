import type { TagId } from './ids.ts'

/** 0-65535 without leading zeros. */
const U16 = '(?:0|[1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d\\d|655[0-2]\\d|6553[0-5])'

/**
 * Canonical tag identities: one spelling for one tag, everywhere. Hex is lower case, addresses have no separators.
 *
 * - `epc:<uri or hex>`: Gen2 tag, EPC as pure identity URI where it decodes (a canonical GS1 Digital Link where the scheme
 *   has no URN), else hex
 * - `hf:<number>`: 13.56 MHz tag, its UID in the order its reader's profile gives it (most significant byte first)
 * - `lf:<number>`: 125 or 134 kHz tag, its number likewise; bits that fill no byte are as the reader pads them
 * - `ble:<address>`: 12 hex digits, most significant byte first
 * - `ibeacon:<uuid>/<major>/<minor>`
 * - `altbeacon:<uuid>/<id2>/<id3>`: github.com/AltBeacon/spec
 * - `eddystone:<namespace>/<instance>`: 20 and 12 hex digits (Eddystone-UID, github.com/google/eddystone)
 * - `kontakt:<unique id>`: 4 to 8 letters and digits as printed on the tag; upper and lower case are different
 * - `dataset:<name>`: a tag of a recorded data set that carries no real identity
 */
const FORMS = [
  'epc:(?:[0-9a-f]{2,128}|(?:urn:epc:id:|https://id\\.gs1\\.org/)[\\x21-\\x7e]{1,110})',
  '[hl]f:(?:[0-9a-f]{2}){2,32}',
  'ble:[0-9a-f]{12}',
  `ibeacon:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/${U16}/${U16}`,
  `altbeacon:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/${U16}/${U16}`,
  'eddystone:[0-9a-f]{20}/[0-9a-f]{12}',
  'kontakt:[0-9A-Za-z]{4,8}',
  'dataset:[\\x21-\\x7e]{1,64}',
]
/** One expression, for every tag of every batch goes through it. */
const TAG_ID = new RegExp(`^(?:${FORMS.join('|')})$`)

export function isTagId(text: string): text is TagId {
  return text.length <= 160 && TAG_ID.test(text)
}

/**
 * Identity of a tag with a plain number, from an HF or LF reader.
 * @param number 2 to 32 bytes in hex, any case; @returns undefined for anything else
 */
export function numberTag(band: 'hf' | 'lf', number: string): TagId | undefined {
  const id = `${band}:${number.toLowerCase()}`
  return isTagId(id) ? id : undefined
}

/** @param address 12 hex digits, with or without `:` or `-`, any case; @returns undefined for anything else */
export function bleTag(address: string): TagId | undefined {
  const id = `ble:${address.replace(/[:-]/g, '').toLowerCase()}`
  return isTagId(id) ? id : undefined
}

/** Identity of a tag in a recorded data set: a BLE address where it is one, else its name there. */
export function datasetTag(name: string): TagId | undefined {
  const address = bleTag(name)
  if (address) return address
  const id = `dataset:${name}`
  return isTagId(id) ? id : undefined
}

/** Identity of an iBeacon; `uuid` with hyphens in any case, major and minor 0-65535. */
export function ibeaconTag(uuid: string, major: number, minor: number): TagId | undefined {
  const id = `ibeacon:${uuid.toLowerCase()}/${major}/${minor}`
  return isTagId(id) ? id : undefined
}

/** Identity of an AltBeacon; `uuid` with hyphens in any case, the two numbers 0-65535. */
export function altbeaconTag(uuid: string, id2: number, id3: number): TagId | undefined {
  const id = `altbeacon:${uuid.toLowerCase()}/${id2}/${id3}`
  return isTagId(id) ? id : undefined
}

/** Identity of a Kontakt.io tag from its unique id. */
export function kontaktTag(uniqueId: string): TagId | undefined {
  const id = `kontakt:${uniqueId}`
  return isTagId(id) ? id : undefined
}

/** Identity of an Eddystone-UID beacon from its 20-digit namespace and 12-digit instance. */
export function eddystoneTag(namespace: string, instance: string): TagId | undefined {
  const id = `eddystone:${namespace.toLowerCase()}/${instance.toLowerCase()}`
  return isTagId(id) ? id : undefined
}
