import { Prisma, PrismaClient } from '@biotrakr/cloud/prisma'
import { BioTrakrError } from '@biotrakr/shared'
import { PrismaPg } from '@prisma/adapter-pg'
import type { Pool } from 'pg'

import { parseSite, type Site, type SiteInput } from './site-file.ts'

export interface SiteApplied {
  readonly orgId: number
  readonly facilityId: number
  /** Rows of all kinds, the organisation and the facility included. */
  readonly created: number
  readonly updated: number
  readonly unchanged: number
}

type Transaction = Prisma.TransactionClient

/** Two people applying sites wait for each other; any number that nothing else locks. */
const SITE_LOCK = 72_707_370
/** Rows a statement. PostgreSQL takes 65,535 parameters. */
const CHUNK = 2_000
const TIMEOUT_MS = 300_000
const UNIQUE_VIOLATION = 'P2002'

/**
 * Registers an organisation, one facility of it, and its rooms, gateways and tags, in one transaction: all of it or
 * nothing. What is stored but not named stays as it is, and so does what an entry leaves out.
 * @param pool logs in as whoever migrated the database (a member of bt_owner); the tables' row policies hold throughout
 * @throws BioTrakrError SITE_INVALID
 */
export async function applySite(pool: Pool, input: SiteInput): Promise<SiteApplied> {
  const site = parseSite(input, 'The site')
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })
  try {
    return await prisma.$transaction((transaction) => applyWithin(transaction, site), {
      timeout: TIMEOUT_MS,
      maxWait: TIMEOUT_MS,
    })
  } catch (error) {
    throw isUniqueViolation(error) ? nameTaken(site, error) : error
  } finally {
    await prisma.$disconnect()
  }
}

async function applyWithin(transaction: Transaction, site: Site): Promise<SiteApplied> {
  await transaction.$executeRaw`set local role bt_owner`
  await transaction.$executeRaw`select pg_advisory_xact_lock(${SITE_LOCK})`
  const tally = createTally()
  const orgId = await applyOrg(transaction, site, tally)
  await transaction.$executeRaw`select set_config('app.org', ${String(orgId)}, true)`
  const facilityId = await applyFacility(transaction, site, { orgId, tally })
  const place = { orgId, facilityId, tally }
  await applyRooms(transaction, site, place)
  await applyGateways(transaction, site, place)
  await applyTags(transaction, site, place)
  return { orgId, facilityId, ...tally }
}

interface Tally {
  created: number
  updated: number
  unchanged: number
}

interface Place {
  readonly orgId: number
  readonly facilityId: number
  readonly tally: Tally
}

const createTally = (): Tally => ({ created: 0, updated: 0, unchanged: 0 })

async function applyOrg(transaction: Transaction, { org }: Site, tally: Tally): Promise<number> {
  const stored = await transaction.org.findUnique({ where: { slug: org.slug } })
  if (!stored) {
    tally.created += 1
    return (await transaction.org.create({ data: org })).id
  }
  await update(
    stored,
    { name: org.name },
    { tally, write: (data) => transaction.org.update({ where: { id: stored.id }, data }) },
  )
  return stored.id
}

async function applyFacility(
  transaction: Transaction,
  { facility }: Site,
  { orgId, tally }: Omit<Place, 'facilityId'>,
): Promise<number> {
  const where = { orgId_code: { orgId, code: facility.code } }
  const stored = await transaction.facility.findUnique({ where })
  if (!stored) {
    tally.created += 1
    return (await transaction.facility.create({ data: { orgId, ...facility } })).id
  }
  const { name, timeZone } = facility
  await update(stored, { name, timeZone }, { tally, write: (data) => transaction.facility.update({ where, data }) })
  return stored.id
}

async function applyRooms(transaction: Transaction, site: Site, { orgId, facilityId, tally }: Place): Promise<void> {
  const rows = await transaction.room.findMany({ where: { orgId, facilityId } })
  const stored = new Map(rows.map((row) => [row.code, row]))
  const fresh = site.rooms.filter((room) => !stored.has(room.code))
  for (const part of chunks(fresh)) {
    const data = part.map(({ code, name, kind }) => ({
      orgId,
      facilityId,
      code,
      name: name ?? code,
      ...given({ kind }),
    }))
    tally.created += (await transaction.room.createMany({ data })).count
  }
  for (const { code, name, kind } of site.rooms) {
    const row = stored.get(code)
    if (!row) continue
    const write = (data: Prisma.RoomUpdateInput) => transaction.room.update({ where: { id: row.id }, data })
    await update(row, given({ name, kind }), { tally, write })
  }
}

async function applyGateways(transaction: Transaction, site: Site, { orgId, facilityId, tally }: Place): Promise<void> {
  const stored = new Map((await transaction.gateway.findMany({ where: { orgId } })).map((row) => [row.name, row]))
  const fresh = site.gateways.filter((gateway) => !stored.has(gateway.name))
  for (const part of chunks(fresh)) {
    const data = part.map(({ name }) => ({ orgId, facilityId, name }))
    tally.created += (await transaction.gateway.createMany({ data })).count
  }
  for (const { name } of site.gateways) {
    const row = stored.get(name)
    if (!row) continue
    const write = (data: { facilityId?: number }) => transaction.gateway.update({ where: { name }, data })
    await update(row, { facilityId }, { tally, write })
  }
}

async function applyTags(transaction: Transaction, site: Site, { orgId, facilityId, tally }: Place): Promise<void> {
  for (const part of chunks(site.tags)) {
    const identities = part.map((tag) => tag.identity)
    const rows = await transaction.tag.findMany({ where: { orgId, identity: { in: identities } } })
    const stored = new Map(rows.map((row) => [row.identity, row]))
    const data = part
      .filter((tag) => !stored.has(tag.identity))
      .map(({ identity, kind, label }) => ({
        orgId,
        facilityId,
        identity,
        kind: kind ?? (identity.startsWith('epc:') ? 'rfid_uhf' : 'ble'),
        ...given({ label }),
      }))
    if (data.length > 0) tally.created += (await transaction.tag.createMany({ data })).count
    for (const { identity, kind, label } of part) {
      const row = stored.get(identity)
      if (!row) continue
      const write = (change: Prisma.TagUncheckedUpdateInput) =>
        transaction.tag.update({ where: { id: row.id }, data: change })
      await update(row, { facilityId, ...given({ kind, label }) }, { tally, write })
    }
  }
}

interface Writer<Data> {
  readonly tally: Tally
  write(data: Partial<Data>): PromiseLike<unknown>
}

/** Writes only what differs, and counts either way. */
async function update<Data extends object>(
  stored: Data,
  wanted: Partial<Data>,
  { tally, write }: Writer<Data>,
): Promise<void> {
  const keys = Object.keys(wanted) as (keyof Data)[]
  if (keys.every((key) => stored[key] === wanted[key])) {
    tally.unchanged += 1
    return
  }
  await write(wanted)
  tally.updated += 1
}

type Given<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

/** Without the entries that were left out. */
function given<T extends object>(values: T): Given<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Given<T>
}

function chunks<T>(list: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(list.length / CHUNK) }, (_, i) => list.slice(i * CHUNK, (i + 1) * CHUNK))
}

function isUniqueViolation(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === UNIQUE_VIOLATION
}

/** Row policies hide the other organisation's gateway, so the name cannot be told more precisely than this. */
function nameTaken(site: Site, cause: unknown): BioTrakrError {
  const names = site.gateways.map((gateway) => gateway.name).join(', ')
  return new BioTrakrError(`Another organisation of this service has a gateway with one of these names: ${names}`, {
    code: 'SITE_INVALID',
    next: 'Choose other gateway names; they are unique in the whole service, like the certificates that carry them.',
    cause,
  })
}
