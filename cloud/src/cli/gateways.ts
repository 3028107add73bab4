import { BioTrakrError } from '@biotrakr/shared'
import type { Pool } from 'pg'

import { databaseAccess } from '../access.ts'
import { acceptStore, type ListedStore, listStores, withPool } from '../administration.ts'
import { readConfig } from '../config.ts'

interface Common {
  readonly config: string
  readonly json: boolean
}

/** `biotrakr-cloud gateways list`: every gateway and the stores that said hello under its name. */
export async function listGateways({ config, json, gateway }: Common & { readonly gateway?: string }): Promise<void> {
  const stores = await asIngest(config, (pool) => listStores(pool, gateway))
  if (json) process.stdout.write(`${JSON.stringify(stores)}\n`)
  else if (stores.length === 0) process.stdout.write('no gateway is registered\n')
  else for (const store of stores) process.stdout.write(`${line(store)}\n`)
}

/** `biotrakr-cloud gateways accept-store GATEWAY STORE` */
export async function acceptGatewayStore(gateway: string, store: string, { config, json }: Common): Promise<void> {
  const isThere = await asIngest(config, (pool) => acceptStore(pool, gateway, store))
  if (!isThere) {
    throw new BioTrakrError(`no store ${store} has said hello as ${gateway}`, {
      code: 'NOT_FOUND',
      next: 'See `biotrakr-cloud gateways list`; the new box must have connected once.',
    })
  }
  process.stdout.write(json ? `${JSON.stringify({ gateway, store })}\n` : `${gateway} is the box with store ${store}\n`)
}

function asIngest<T>(config: string, work: (pool: Pool) => Promise<T>): Promise<T> {
  return withPool(databaseAccess(readConfig(config), 'biotrakr-gateways'), work)
}

function line(row: ListedStore): string {
  const { gateway, gatewayStatus, store, status, reason, blockedOpening, software, lastSeen, waitingForTime } = row
  if (store === null) return `${gateway}  ${gatewayStatus}  never connected`
  const why = reason === '' ? '' : ` (${reason})`
  const copy = blockedOpening === null ? '' : '  a copy of this store is kept out'
  const waiting = waitingForTime > 0 ? `  ${waitingForTime} records wait for their time` : ''
  return `${gateway}  ${gatewayStatus}  store ${store}  ${status}${why}  ${software}  last seen ${lastSeen?.toISOString()}${copy}${waiting}`
}
