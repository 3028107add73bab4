/** Value lists of sites, each as the CHECK of its column; a test compares both. */

/** Of site.room.kind. */
export const ROOM_KINDS = [
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

/** Of site.bed.state. */
export const BED_STATES = ['open', 'closed'] as const

/** Of site.adjacency.door; a `closed` one was walled up. */
export const DOORS = ['open', 'door', 'badge', 'stairs', 'lift', 'closed'] as const

/** Of site.zone.kind. */
export const ZONE_KINDS = [
  'group',
  'storage',
  'forbidden',
  'exit',
  'cleaning',
  'service',
  'staff_only',
  'cold_store',
  'par',
] as const

/** Of site.receiver.kind. */
export const RECEIVER_KINDS = [
  'rfid_antenna',
  'rfid_portal',
  'ble_adapter',
  'room_beacon',
  'lf_exciter',
  'wired_dock',
] as const

/** Of site.receiver.status. */
export const RECEIVER_STATUSES = ['active', 'retired'] as const

/** Of rtls.tag.kind. */
export const TAG_KINDS = ['rfid_uhf', 'rfid_hf', 'ble', 'ble_sensor', 'badge', 'qr', 'legacy'] as const

/** What a new facility has before anybody has written anything down. */
export const DEFAULT_DEPARTMENTS = [
  { code: 'BME', name: 'Biomedical Engineering' },
  { code: 'RAD', name: 'Radiology' },
  { code: 'OR', name: 'Operating Rooms' },
  { code: 'ED', name: 'Emergency' },
  { code: 'ICU', name: 'Intensive Care' },
  { code: 'CSSD', name: 'Sterile Services' },
  { code: 'LOG', name: 'Logistics' },
  { code: 'IT', name: 'Information Technology' },
] as const

/** Empty until rooms are put into them: where things leave the house, and where none may be. */
export const DEFAULT_ZONES = [
  { code: 'EXITS', name: 'Exits', kind: 'exit' },
  { code: 'FORBIDDEN', name: 'No equipment', kind: 'forbidden' },
] as const
