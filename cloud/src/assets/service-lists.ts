/** Accepted values of what is done with assets, each as the CHECK of its column; a test compares the two. */

export const WORK_KINDS = [
  'preventive',
  'corrective',
  'inspection',
  'calibration',
  'recall',
  'cleaning',
  'install',
  'disposal',
] as const
export const WORK_ORIGINS = ['manual', 'pm_plan', 'inspection', 'failure', 'recall'] as const
export const WORK_STATES = [
  'draft',
  'open',
  'assigned',
  'in_progress',
  'waiting_parts',
  'done',
  'verified',
  'cancelled',
] as const
export const PRIORITIES = ['low', 'normal', 'high', 'urgent'] as const
export const WORK_LINE_KINDS = ['labour', 'part', 'travel', 'other'] as const
export const DETECTIONS = ['user', 'sensor', 'inspection'] as const
export const FAILURE_SEVERITIES = ['minor', 'major', 'critical'] as const
export const INSPECTION_RESULTS = ['pass', 'conditional', 'fail'] as const
export const CERTIFICATE_STATES = ['valid', 'revoked'] as const
export const CONTRACT_KINDS = ['service', 'warranty', 'lease', 'rental'] as const
export const RECALL_CLASSES = ['I', 'II', 'III', 'notice'] as const
export const RECALL_STATES = ['new', 'in_action', 'closed'] as const
export const MATCH_WAYS = ['udi', 'model', 'manufacturer'] as const
export const MATCH_STATES = ['suspect', 'confirmed', 'cleared', 'fixed', 'removed'] as const
export const TRANSFER_KINDS = ['move', 'loan', 'return'] as const
export const TRANSFER_STATES = ['requested', 'approved', 'in_transit', 'received', 'rejected', 'cancelled'] as const
export const COST_KINDS = [
  'labour',
  'parts',
  'contract',
  'consumable',
  'rental',
  'energy',
  'disposal',
  'other',
  'credit',
] as const

export const UDI_ISSUERS = ['gs1', 'hibcc', 'iccbba'] as const
export const FDA_CLASSES = ['I', 'II', 'III'] as const
export const MDR_CLASSES = ['I', 'Is', 'Im', 'Ir', 'IIa', 'IIb', 'III'] as const
export const MRI_SAFETIES = ['safe', 'conditional', 'unsafe'] as const
export const CYBER_RISKS = ['low', 'medium', 'high', 'critical'] as const
export const ELECTRICAL_CLASSES = ['I', 'II', 'III', 'internal'] as const
export const APPLIED_PARTS = ['B', 'BF', 'CF'] as const
export const STRATEGIES = ['time', 'usage', 'condition', 'run_to_failure'] as const
export const HOURS_SOURCES = ['meter', 'derived', 'manual'] as const
export const FUNDINGS = ['capital', 'operating', 'grant', 'donation', 'lease'] as const
export const DEPRECIATION_METHODS = [
  'none',
  'straight_line',
  'declining_balance',
  'double_declining',
  'sum_of_years',
] as const
export const DISPOSAL_WAYS = ['sold', 'traded_in', 'donated', 'recycled', 'scrapped', 'returned'] as const
