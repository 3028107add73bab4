import { decodeEpc } from '@biotrakr/shared'

/** What `biotrakr decode --epc` says of one EPC. */
export type EpcDescription =
  | {
      readonly scheme: string
      readonly pureUri: string
      readonly tagUri?: string
      readonly digitalLink?: string
      readonly personal: boolean
    }
  | { readonly error: string }

/** What it means for the gateway that an EPC is personal. */
export const PERSONAL_NOTE =
  "identifies a person: followed only if the site's allow-list names this very identity, otherwise counted and forgotten"

/** @param text hex with or without blanks; undefined: a line that was too long to be held */
export function describeEpc(text: string | undefined): EpcDescription {
  if (text === undefined) return { error: 'the line is too long' }
  const decoded = decodeEpc(text.replaceAll(/\s/g, ''))
  if (!decoded.ok) return { error: decoded.why }
  const { scheme, pureUri, tagUri, digitalLink, personal } = decoded
  return {
    scheme,
    pureUri,
    ...(tagUri === undefined ? {} : { tagUri }),
    ...(digitalLink === undefined ? {} : { digitalLink }),
    personal,
  }
}
