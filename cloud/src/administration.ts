import type { Client, Pool } from 'pg'

import { connectClient, createPool, type DatabaseOptions, databaseError } from './upkeep/connection.ts'

export { registerGateway, revokeGateway, storeCode } from './record/gateway-identity.ts'
/** What the operator does by hand: the commands and the launcher reach it here. */
export { discardQuarantine, listQuarantine, type QuarantineEntry, showQuarantine } from './record/quarantine.ts'
export { registeredTags } from './record/registered-tags.ts'
export { retryQuarantine } from './record/replay.ts'
export { applySite } from './record/site-apply.ts'
export { parseSiteFile } from './record/site-file.ts'
export { acceptStore, type ListedStore, listStores } from './record/store-list.ts'
export { initAuthority, readAuthority, replaceFile } from './upkeep/authority-files.ts'
export { brokerAccessList, brokerConfig } from './upkeep/broker-config.ts'
export { setPassword } from './upkeep/logins.ts'
export { migrate, migrationStatus } from './upkeep/migrate.ts'

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
