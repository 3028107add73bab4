import { altbeaconTag, bleTag, eddystoneTag, ibeaconTag, kontaktTag, type TagId } from '@biotrakr/shared'

import type { Frame } from './frame.ts'

/** Who a frame says it is from, where it says so in a form that lasts. An address inside a frame is such a form. */
export function identityOf({ format, fields }: Frame): TagId | undefined {
  switch (format) {
    case 'ibeacon':
      return ibeaconTag(fields.uuid ?? '', fields.major ?? -1, fields.minor ?? -1)
    case 'altbeacon':
      return altbeaconTag(fields.id1 ?? '', fields.id2 ?? -1, fields.id3 ?? -1)
    case 'eddystone-uid':
      return eddystoneTag(fields.namespace ?? '', fields.instance ?? '')
    default:
      if (fields.uniqueId !== undefined) return kontaktTag(fields.uniqueId)
      return fields.mac === undefined ? undefined : bleTag(fields.mac)
  }
}
