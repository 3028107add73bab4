import type { Clock } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { type Dropped, dropOldHistory } from './history/drop-history.ts'
import { applyRetention, historyRule, type RetentionResult } from './trust/retention.ts'

/** Accounts, rights, the audit chain and what is kept for how long: the commands reach them here. */
export {
  type Account,
  grantRole,
  inviteAccount,
  listAccounts,
  lockAccount,
  revokeRole,
  unlockAccount,
} from './trust/accounts.ts'
export { ensureAnchorKey, readAnchors, writeAnchor } from './trust/anchors.ts'
export {
  type ChainEvent,
  type ChainReport,
  type EventList,
  listEvents,
  readHead,
  verifyChain,
} from './trust/chain.ts'
export { liftHold, listHolds, setHold } from './trust/holds.ts'
export {
  closeIncident,
  type Incident,
  listIncidents,
  noteIncident,
  openIncident,
  showIncident,
} from './trust/incidents.ts'
export { DATA_CLASSES, INCIDENT_KINDS } from './trust/lists.ts'
export { changeSecurityPolicy, readSecurityPolicy } from './trust/policy.ts'
export { listRetention, setRetention } from './trust/retention.ts'
export { addRole, changeRole, ensureSystemRoles, listRoles } from './trust/roles.ts'

/**
 * Deletes what is older than it is to be kept, of all organisations.
 * @param client logged in as bt_jobs, outside a transaction
 */
export async function runRetention(
  client: ClientBase,
  clock: Clock,
): Promise<RetentionResult & { readonly history: readonly Dropped[] }> {
  const nowMs = clock.wallMs()
  const result = await applyRetention(client, { nowMs })
  const { fixDays, sensorDays, heldOrgs } = await historyRule(client, { nowMs })
  const days = { location_history: fixDays, usage_event: fixDays, sensor_reading: sensorDays }
  return { ...result, history: await dropOldHistory(client, clock, { days, heldOrgs }) }
}
