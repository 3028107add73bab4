import type { Client, ClientBase, Pool } from 'pg'

import { findTenant } from './report/tenant.ts'
import { createScopedDatabase, type Scope } from './tenancy/scope.ts'
import { connectClient, createPool, type DatabaseOptions, databaseError } from './upkeep/connection.ts'
import { refuseUnsafeRole } from './upkeep/privileges.ts'

export { assetDesk } from './assets/asset-desk.ts'
export { serviceDesk } from './assets/service-desk.ts'
export { createHistoryDesk } from './history/history-desk.ts'
export { registerGateway, revokeGateway, storeCode } from './record/gateway-identity.ts'
/** What the operator does by hand: the commands and the launcher reach it here. */
export { discardQuarantine, listQuarantine, type QuarantineEntry, showQuarantine } from './record/quarantine.ts'
export { registeredTags } from './record/registered-tags.ts'
export { retryQuarantine } from './record/replay.ts'
export { acceptStore, type ListedStore, listStores } from './record/store-list.ts'
export { reportDesk } from './reports/report-desk.ts'
export { compareMaps } from './sites/map-diff.ts'
export {
  facilityOfGateway,
  listMaps,
  mapReaders,
  type PublishedMap,
  publishMap,
  readMap,
  returnToMap,
} from './sites/map-versions.ts'
export { applySite, type SiteApplied } from './sites/site-apply.ts'
export { exportSite } from './sites/site-export.ts'
export { parseSiteFile } from './sites/site-file.ts'
export { listFacilities } from './sites/site-lists.ts'
export { initAuthority, readAuthority, replaceFile } from './upkeep/authority-files.ts'
export { listBackups, makeBackup, noteBackup } from './upkeep/backup.ts'
export { brokerAccessList, brokerConfig } from './upkeep/broker-config.ts'
export { runDaily } from './upkeep/daily.ts'
export { findDrift } from './upkeep/drift.ts'
export { setPassword } from './upkeep/logins.ts'
export { migrate, migrationStatus } from './upkeep/migrate.ts'
export { pairsAt, renewPair } from './upkeep/pair-renewal.ts'
export { drillRestore, type Restored, restoreBackup } from './upkeep/restore.ts'

/** Runs `work` in one session and ends it. @throws BioTrakrError DATABASE_UNREACHABLE */
export async function asOwner<T>(access: DatabaseOptions, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await connectClient(access)
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Runs `work` with a small pool and ends it. @throws BioTrakrError DATABASE_UNREACHABLE */
export async function withPool<T>(access: DatabaseOptions, work: (pool: Pool) => Promise<T>): Promise<T> {
  const pool = createPool({ ...access, max: 2 })
  try {
    await pool.query('select 1').catch((error: unknown) => {
      throw databaseError(error, access)
    })
    return await work(pool)
  } finally {
    await pool.end()
  }
}

/** One organisation, for a command of an operator. */
export interface TenantSession {
  readonly orgId: number
  read<T>(work: (client: ClientBase) => Promise<T>): Promise<T>
  write<T>(work: (client: ClientBase) => Promise<T>): Promise<T>
}

interface TenantWish {
  /** Slug of the organisation. */
  readonly org: string
  /** For the audit chain, for example `operator:anna`. */
  readonly actor: string
  /** Needed for people's data. */
  readonly purpose?: string | undefined
}

/**
 * Runs `work` in one organisation with all its facilities, held by row security like any other caller.
 * @param access logs in as bt_api
 * @throws BioTrakrError DATABASE_UNREACHABLE, DATABASE_PRIVILEGE, or CONFIG_INVALID for an organisation that is not there
 */
export function withTenant<T>(
  access: DatabaseOptions,
  { org, actor, purpose }: TenantWish,
  work: (tenant: TenantSession) => Promise<T>,
): Promise<T> {
  return withPool(access, async (pool) => {
    await refuseUnsafeRole(pool)
    const { id: orgId } = await findTenant(pool, org)
    const database = createScopedDatabase(pool)
    const scope: Scope = { orgId, facilities: 'all', actor, purpose }
    return work({
      orgId,
      read: (step) => database.read(scope, step),
      write: (step) => database.write(scope, step),
    })
  })
}
