import { randomBytes } from 'node:crypto'

import {
  BioTrakrError,
  ENROLMENT_SECRET_BYTES,
  formatEnrolmentCode,
  type GatewayId,
  isGatewayId,
} from '@biotrakr/shared'
import type { Pool } from 'pg'

import { databaseAccess } from '../access.ts'
import {
  acceptStore,
  type ListedStore,
  listStores,
  readAuthority,
  registerGateway,
  revokeGateway,
  storeCode,
  withPool,
} from '../administration.ts'
import { readConfig } from '../config.ts'
import { enrollSection } from './enroll.ts'
import { operatorName } from './tenant-command.ts'

const CODE_MS = 15 * 60_000

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

interface AddOptions extends Common {
  readonly org?: string
  readonly facility?: string
}

/**
 * `biotrakr-cloud gateways add NAME`: a code with which one box can enrol under that name within a quarter of an hour. The
 * code is on standard output and nowhere else.
 */
export async function addGateway(name: string, options: AddOptions): Promise<void> {
  const { org, facility, json } = options
  if (!isGatewayId(name)) {
    throw new BioTrakrError(`"${name}" cannot be the name of a gateway`, {
      code: 'USAGE',
      next: 'Take 3-63 lower-case letters, digits or hyphens, starting with a letter or digit; ingester and serve are taken.',
    })
  }
  if ((org === undefined) !== (facility === undefined)) {
    throw new BioTrakrError('--org and --facility belong together', { code: 'USAGE', next: 'Give both or neither.' })
  }
  const { authorityFolder } = enrollSection(options.config)
  const { pin } = await readAuthority(authorityFolder)
  const secret = randomBytes(ENROLMENT_SECRET_BYTES)
  const untilMs = Date.now() + CODE_MS
  await asAuthority(options.config, async (pool) => {
    if (org !== undefined && facility !== undefined) await register(pool, name, { org, facility })
    if (!(await storeCode(pool, { gateway: name, secret }, untilMs))) throw unknownGateway(name)
  })
  const code = formatEnrolmentCode({ secret, caPin: pin })
  const until = new Date(untilMs).toISOString()
  process.stdout.write(json ? `${JSON.stringify({ gateway: name, code, until })}\n` : `${code}\n`)
  if (!json) process.stderr.write(`for ${name}, once, until ${until}; on the box: biotrakr enroll --code -\n`)
}

/** `biotrakr-cloud gateways revoke NAME`: at once for everything that is sent, within a minute for an open connection. */
export async function revokeGateways(names: readonly string[], { config, json }: Common): Promise<void> {
  await asAuthority(config, async (pool) => {
    for (const name of names) {
      if (!(await revokeGateway(pool, name, operatorName()))) throw unknownGateway(name)
      process.stdout.write(json ? `${JSON.stringify({ gateway: name, revoked: true })}\n` : `${name} is revoked\n`)
    }
  })
}

async function register(pool: Pool, name: GatewayId, place: { readonly org: string; readonly facility: string }) {
  if (await registerGateway(pool, name, { ...place, actor: operatorName() })) return
  throw new BioTrakrError(`${name} cannot be a gateway of ${place.org}/${place.facility}`, {
    code: 'NOT_FOUND',
    next: 'Check both names against `biotrakr-cloud site import`; a name in use elsewhere cannot be used again.',
  })
}

function unknownGateway(name: string): BioTrakrError {
  return new BioTrakrError(`there is no gateway ${name}`, {
    code: 'NOT_FOUND',
    next: 'See `biotrakr-cloud gateways list`; `gateways add NAME --org ORG --facility FACILITY` makes one.',
  })
}

function asAuthority<T>(config: string, work: (pool: Pool) => Promise<T>): Promise<T> {
  return withPool(databaseAccess(readConfig(config), 'biotrakr-gateways'), work)
}

function asIngest<T>(config: string, work: (pool: Pool) => Promise<T>): Promise<T> {
  return withPool(databaseAccess(readConfig(config), 'biotrakr-gateways'), work)
}

function line(row: ListedStore): string {
  const { gateway, gatewayStatus, store, status, reason, blockedOpening, software, lastSeen, waitingForTime } = row
  const until = row.certificateUntil === null ? '' : `  certificate until ${row.certificateUntil.toISOString()}`
  if (store === null) return `${gateway}  ${gatewayStatus}  never connected${until}`
  const why = reason === '' ? '' : ` (${reason})`
  const copy = blockedOpening === null ? '' : '  a copy of this store is kept out'
  const waiting = waitingForTime > 0 ? `  ${waitingForTime} records wait for their time` : ''
  return `${gateway}  ${gatewayStatus}  store ${store}  ${status}${why}  ${software}  last seen ${lastSeen?.toISOString()}${copy}${waiting}${until}`
}
