/** Accepted values of assets, each as the CHECK of its column; a test compares the two. */

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

/** Ways out of service for good: taken by retiring, left by restoring. */
export const RETIRED_STATUSES = ['retired', 'disposed'] as const

export const CONDITIONS = ['new', 'good', 'fair', 'poor', 'unusable'] as const
export const CRITICALITIES = ['low', 'medium', 'high', 'life_support'] as const
export const OWNERSHIPS = ['owned', 'leased', 'rented', 'loaned', 'trial', 'patient_owned'] as const
export const MOBILITIES = ['fixed', 'portable', 'mobile'] as const
export const USE_STATES = ['unknown', 'idle', 'in_use', 'moving', 'charging', 'stored'] as const
export const HYGIENE_STATES = ['unknown', 'clean', 'in_use', 'dirty', 'in_cleaning'] as const
export const VENDOR_KINDS = ['manufacturer', 'supplier', 'service', 'lessor'] as const
export const ATTRIBUTE_TYPES = ['text', 'integer', 'number', 'boolean', 'date', 'choice'] as const
