/** Lists that the database checks as well (0016_people); a test holds the two together. */
export const STAFF_GROUPS = ['nurse', 'physician', 'transport', 'cleaning', 'biomed', 'security', 'other'] as const
export const CONSENT_SCOPES = ['location', 'sensor'] as const
export const CONSENT_BASES = ['consent', 'contract', 'vital_interest', 'public_health'] as const
export const KEY_PURPOSES = ['pii', 'index'] as const
