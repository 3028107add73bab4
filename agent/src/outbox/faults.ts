/** Why a group is not stored although SQLite has no complaint. */
export const ALL_KEPT = {
  code: 'OUTBOX_FULL',
  detail: 'The outbox holds nothing but events that the centre has not confirmed, and has no room for more',
  next: 'Mend the uplink, or give the outbox more room (outbox.maxMegabytes); new events wait in memory',
} as const
export const DISK_FULL = {
  code: 'OUTBOX_FULL',
  detail: 'The disk of the outbox is full; new records wait in memory and take the room of confirmed ones',
  next: 'Free space on the disk of the outbox',
} as const
export const MAKING_ROOM = {
  code: 'OUTBOX_FULL',
  detail: 'The outbox is full and is still making room; new records wait in memory meanwhile',
  next: 'Mend the uplink, or give the outbox more room (outbox.maxMegabytes)',
} as const
