/** Accepted values of files, each as the CHECK of its column; a test compares the two. */

export const IMPORT_KINDS = [
  'departments',
  'categories',
  'rooms',
  'assets',
  'tags',
  'assignments',
  'receivers',
  'users',
  'history',
] as const
export type ImportKind = (typeof IMPORT_KINDS)[number]

/** What becomes of rows that are there already. */
export const IMPORT_MODES = ['insert', 'upsert', 'skip-existing'] as const
export type ImportMode = (typeof IMPORT_MODES)[number]

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
export const RECEIVER_KINDS = [
  'rfid_antenna',
  'rfid_portal',
  'ble_adapter',
  'room_beacon',
  'lf_exciter',
  'wired_dock',
] as const
export const RECEIVER_STATUSES = ['active', 'retired'] as const
export const TAG_KINDS = ['rfid_uhf', 'rfid_hf', 'ble', 'ble_sensor', 'badge', 'qr', 'legacy'] as const
export const TAG_STATUSES = ['new', 'active', 'low_battery', 'silent', 'damaged', 'lost', 'retired'] as const
export const ASSET_STATUSES = [
  'active',
  'in_service',
  'standby',
  'in_repair',
  'quarantined',
  'missing',
  'in_transfer',
  'retired',
  'disposed',
] as const
export const CONDITIONS = ['new', 'good', 'fair', 'poor', 'unusable'] as const
export const CRITICALITIES = ['low', 'medium', 'high', 'life_support'] as const
export const OWNERSHIPS = ['owned', 'leased', 'rented', 'loaned', 'trial', 'patient_owned'] as const
export const MOBILITIES = ['fixed', 'portable', 'mobile'] as const
export const USE_STATES = ['unknown', 'idle', 'in_use', 'moving', 'charging', 'stored'] as const
export const HYGIENE_STATES = ['unknown', 'clean', 'in_use', 'dirty', 'in_cleaning'] as const
