import { hexOf } from './bytes.ts'
import { epcIdentity } from './epc-decode.ts'
import { parsePc } from './epc-pc.ts'
import type { TagId } from './ids.ts'
import { isTagId } from './tag-identity.ts'

/** What a Gen2 tag is called in the system. */
export interface EpcTag {
  readonly tag: TagId
  /** The EPC identifies a person (GSRN, GSRNP): personal data. */
  readonly personal: boolean
}

/** What `isTagId` takes after `epc:`. Of the URIs it need not be asked more, for they are made of its characters. */
const LONGEST_URI = 'urn:epc:id:'.length + 110

/**
 * Identity of a Gen2 tag: `epc:` and its pure identity URI where the EPC is a GS1 key, else, or where that is too long, the
 * bits in lower-case hex.
 *
 * @param epc the EPC without PC word and CRC, 1-62 bytes, or as hex in any case
 * @param pc the PC word where the reader tells it
 * @returns undefined for what is not hex or has another length
 */
export function tagIdFromEpc(epc: Uint8Array | string, pc?: number): EpcTag | undefined {
  const identity = epcIdentity(epc, pc)
  if (!identity.ok) return rawTag(identity.hex, false)
  const { pureUri, personal } = identity
  if (pureUri.length <= LONGEST_URI) return { tag: `epc:${pureUri}` as TagId, personal }
  const hex = typeof epc === 'string' ? epc.toLowerCase() : hexOf(epc)
  const word = pc === undefined ? undefined : parsePc(pc)
  return rawTag(word?.ok ? hex.slice(0, word.bits / 4) : hex, personal)
}

/** Keys of people: patients and staff (GS1 General Specifications, GSRN). Both are short enough never to be kept as hex. */
const PERSONAL = ['urn:epc:id:gsrn:', 'urn:epc:id:gsrnp:', 'https://id.gs1.org/8017/', 'https://id.gs1.org/8018/']

/** Whether a tag's identity is a number that GS1 gives to people, so that to follow the tag is to follow a person. */
export function isPersonalTag(tag: TagId): boolean {
  return PERSONAL.some((start) => tag.startsWith(start, 'epc:'.length))
}

function rawTag(hex: string, personal: boolean): EpcTag | undefined {
  const tag = `epc:${hex}`
  return isTagId(tag) ? { tag, personal } : undefined
}
