import type { Clock } from '@biotrakr/shared'

import { findAttributes } from './assets/attribute-catalogue.ts'
import { checkAttributes, readAttribute } from './assets/attribute-check.ts'
import type { ImportFlows } from './imports/registry-import.ts'
import { grantRole, inviteAccount } from './trust/accounts.ts'

export { badRowsFile } from './imports/bad-rows.ts'
/** Files in and out: the commands reach them here. */
export { exportRows } from './imports/export.ts'
export { importHistory } from './imports/history-import.ts'
export { type ImportJob, listJobs, showJob } from './imports/jobs.ts'
export { IMPORT_MODES, type ImportMode } from './imports/lists.ts'
export {
  importRegistry,
  REGISTRY_KINDS,
  RefusedFile,
  type RegistryName,
  type RegistryReport,
} from './imports/registry-import.ts'

/** What the other parts do for an import. */
export function importFlows(clock: Clock): ImportFlows {
  return {
    attributes: { find: findAttributes, read: readAttribute, check: checkAttributes },
    users: {
      invite: (client, input) => inviteAccount(client, input, { nowMs: clock.wallMs() }),
      grant: (client, email, wish) => grantRole(client, email, { ...wish, nowMs: clock.wallMs() }),
    },
  }
}
