/** What an account may be allowed to do. The database's check holds the same list. */
export const PERMISSIONS = [
  'org.read',
  'org.manage',
  'key.manage',
  'account.read',
  'account.invite',
  'account.manage',
  'role.manage',
  'site.read',
  'site.edit',
  'map.publish',
  'gateway.read',
  'gateway.enrol',
  'gateway.revoke',
  'calibration.run',
  'calibration.activate',
  'asset.read',
  'asset.edit',
  'asset.retire',
  'asset.import',
  'asset.restore',
  'tag.read',
  'tag.assign',
  'tag.retire',
  'location.read',
  'location.history',
  'person.locate',
  'person.history',
  'contact.request',
  'contact.approve',
  'care.read',
  'care.edit',
  'work.read',
  'work.create',
  'work.assign',
  'work.close',
  'work.verify',
  'compliance.read',
  'compliance.edit',
  'recall.manage',
  'finance.read',
  'finance.edit',
  'budget.edit',
  'alert.read',
  'alert.ack',
  'alert.rule.edit',
  'report.run',
  'report.export',
  'audit.read',
  'audit.verify',
  'incident.manage',
  'retention.edit',
  'hold.edit',
  'ops.read',
  'quarantine.replay',
  'purge.run',
  'restore.run',
] as const
export type Permission = (typeof PERMISSIONS)[number]

interface SystemRole {
  readonly code: string
  readonly name: string
  readonly permissions: readonly Permission[]
}

const isOf =
  (...areas: readonly string[]) =>
  (permission: Permission) =>
    areas.some((area) => permission.startsWith(`${area}.`))

const PEOPLE = isOf('person', 'contact', 'care')
const READING: readonly Permission[] = ['org.read', 'site.read', 'asset.read', 'tag.read', 'alert.read', 'report.run']
const HISTORY: readonly Permission[] = ['location.read', 'location.history']
const WARD_WORK: readonly Permission[] = ['work.read', 'work.create']

/**
 * Roles that every organisation has; tenants add their own. Nobody reaches people by one of these but nurse, security and
 * the feed of admissions: whoever else needs to is given a role made for it.
 */
export const SYSTEM_ROLES: readonly SystemRole[] = [
  {
    code: 'owner',
    name: 'Owner',
    permissions: PERMISSIONS.filter((permission) => permission === 'contact.approve' || !PEOPLE(permission)),
  },
  {
    code: 'admin',
    name: 'Administrator',
    permissions: [
      'org.read',
      'org.manage',
      'contact.approve',
      ...PERMISSIONS.filter(isOf('account', 'role', 'site', 'map', 'gateway', 'calibration', 'asset', 'tag')),
      ...PERMISSIONS.filter(isOf('location', 'work', 'compliance', 'recall', 'alert', 'report', 'ops', 'quarantine')),
      'finance.read',
      'audit.read',
      'incident.manage',
    ],
  },
  {
    code: 'facility_admin',
    name: 'Facility administrator',
    permissions: [
      'org.read',
      ...PERMISSIONS.filter(isOf('account', 'site', 'map', 'gateway', 'calibration', 'asset', 'tag', 'location')),
      ...PERMISSIONS.filter(isOf('work', 'compliance', 'recall', 'alert', 'report')),
      'finance.read',
      'ops.read',
    ],
  },
  {
    code: 'biomed',
    name: 'Biomedical engineering',
    permissions: [
      ...READING,
      ...HISTORY,
      'gateway.read',
      'asset.edit',
      'asset.import',
      'tag.assign',
      'tag.retire',
      ...PERMISSIONS.filter(isOf('work', 'compliance', 'recall')),
      'alert.ack',
      'alert.rule.edit',
      'report.export',
      'ops.read',
    ],
  },
  {
    code: 'logistics',
    name: 'Logistics',
    permissions: [...READING, ...HISTORY, ...WARD_WORK, 'gateway.read', 'tag.assign', 'compliance.read', 'alert.ack'],
  },
  {
    code: 'nurse',
    name: 'Nursing',
    permissions: [
      ...READING,
      ...WARD_WORK,
      'location.read',
      'tag.assign',
      'person.locate',
      'care.read',
      'care.edit',
      'compliance.read',
      'alert.ack',
    ],
  },
  {
    code: 'security',
    name: 'Security',
    permissions: [...READING, ...HISTORY, 'gateway.read', 'person.locate', 'work.read', 'alert.ack'],
  },
  {
    code: 'finance',
    name: 'Finance',
    permissions: [
      'org.read',
      'site.read',
      'asset.read',
      'work.read',
      'compliance.read',
      ...PERMISSIONS.filter(isOf('finance', 'budget', 'report')),
    ],
  },
  {
    code: 'auditor',
    name: 'Auditor',
    permissions: [
      ...READING,
      ...HISTORY,
      'account.read',
      'gateway.read',
      'work.read',
      'compliance.read',
      'finance.read',
      'report.export',
      'audit.read',
      'audit.verify',
      'ops.read',
    ],
  },
  {
    code: 'integrator',
    name: 'Integrator',
    permissions: [
      ...PERMISSIONS.filter(isOf('site', 'map', 'tag', 'ops', 'quarantine')),
      'org.read',
      'gateway.enrol',
      'calibration.run',
      'calibration.activate',
      'asset.read',
      'asset.import',
      'location.read',
      'care.edit',
      'alert.read',
    ],
  },
  {
    code: 'viewer',
    name: 'Viewer',
    permissions: [...READING, 'location.read', 'work.read', 'compliance.read'],
  },
]

export type AccountStatus = 'invited' | 'active' | 'locked'

export type SessionEnd = 'logout' | 'locked' | 'password'

/** What is kept for a number of days, unless an organisation says otherwise. */
export const RETENTION_DAYS = { audit: 2_555, compliance: 3_650, fix: 400, sensor: 400, session: 90 } as const
export type DataClass = keyof typeof RETENTION_DAYS
export const DATA_CLASSES = ['audit', 'compliance', 'fix', 'sensor', 'session'] as const satisfies readonly DataClass[]

export const INCIDENT_KINDS = ['breach', 'loss', 'misuse', 'outage'] as const
export type IncidentKind = (typeof INCIDENT_KINDS)[number]
