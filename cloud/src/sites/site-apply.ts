import { Prisma, PrismaClient } from '@biotrakr/cloud/prisma'
import { BioTrakrError } from '@biotrakr/shared'
import { PrismaPg } from '@prisma/adapter-pg'
import type { Pool } from 'pg'

import { DEFAULT_DEPARTMENTS, DEFAULT_ZONES } from './lists.ts'
import { parseSite, refuseProblems, type Site, type SiteInput, type SiteProblem } from './site-file.ts'
import { applyPlaces, applyTags } from './site-rows.ts'
import { sync, type Table, type Tally } from './sync.ts'

export interface SiteApplied {
  readonly orgId: number
  readonly facilityId: number
  /** Rows of all kinds, the organisation and the facility included. */
  readonly created: number
  readonly updated: number
  readonly unchanged: number
}

interface ApplyOptions {
  /** For the audit chain, for example `operator:anna`. */
  readonly actor?: string
  /** Also makes the departments and zones that a facility begins with, where they are missing. */
  readonly withDefaults?: boolean
}

type Transaction = Prisma.TransactionClient

/** Two people applying sites wait for each other; any number that nothing else locks. */
const SITE_LOCK = 72_707_370
const TIMEOUT_MS = 300_000
const UNIQUE_VIOLATION = 'P2002'

/**
 * Registers an organisation, one facility of it, and what belongs to that, in one transaction: all of it or nothing. What
 * is stored but not named stays as it is, and so does what an entry leaves out.
 * @param pool logs in as whoever migrated the database (a member of bt_owner); the tables' row policies hold throughout
 * @throws BioTrakrError SITE_INVALID
 */
export async function applySite(pool: Pool, input: SiteInput, options: ApplyOptions = {}): Promise<SiteApplied> {
  const site = parseSite(input, 'The site')
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })
  try {
    return await prisma.$transaction((transaction) => applyWithin(transaction, site, options), {
      timeout: TIMEOUT_MS,
      maxWait: TIMEOUT_MS,
    })
  } catch (error) {
    throw isUniqueViolation(error) ? nameTaken(site, error) : error
  } finally {
    await prisma.$disconnect()
  }
}

async function applyWithin(
  transaction: Transaction,
  site: Site,
  { actor = 'operator', withDefaults = false }: ApplyOptions,
): Promise<SiteApplied> {
  await transaction.$executeRaw`set local role bt_owner`
  await transaction.$executeRaw`select pg_advisory_xact_lock(${SITE_LOCK}), set_config('app.actor', ${actor}, true)`
  const tally: Tally = { created: 0, updated: 0, unchanged: 0 }
  const problems: SiteProblem[] = []
  const { org, facility } = site
  const orgId = await only(transaction.org as unknown as Table, { key: org.slug, column: 'slug', values: org, tally })
  await transaction.$executeRaw`select set_config('app.org', ${String(orgId)}, true)`
  const facilityId = await only(transaction.facility as unknown as Table, {
    key: facility.code,
    column: 'code',
    values: facility,
    owner: { orgId },
    tally,
  })
  const work = { transaction, orgId, facilityId, tally, problems }
  if (withDefaults) await applyDefaults(transaction, { orgId, facilityId, tally })
  await applyPlaces(work, site)
  refuseProblems(problems)
  await applyTags(work, site)
  return { orgId, facilityId, ...tally }
}

interface One {
  readonly key: string
  readonly column: string
  readonly values: Readonly<Record<string, unknown>>
  readonly owner?: Readonly<Record<string, unknown>>
  readonly tally: Tally
}

async function only(table: Table, { key, column, values, owner = {}, tally }: One): Promise<number> {
  const keyOf = (row: Readonly<Record<string, unknown>>) => String(row[column])
  const entries = [{ key, values }]
  const ids = await sync(table, { where: { ...owner, [column]: key }, owner, keyOf, entries, tally })
  return ids.get(key) ?? 0
}

/** Only what is missing is made: a department that was given another name keeps it. */
async function applyDefaults(
  transaction: Transaction,
  { orgId, facilityId, tally }: { readonly orgId: number; readonly facilityId: number; readonly tally: Tally },
): Promise<void> {
  const place = { orgId, facilityId }
  const keyOf = (row: Readonly<Record<string, unknown>>) => String(row['code'])
  const entriesOf = (list: readonly { readonly code: string }[]) =>
    list.map((each) => ({ key: each.code, values: {}, whenNew: each }))
  const common = { where: place, owner: place, keyOf, tally }
  await sync(transaction.department as unknown as Table, { ...common, entries: entriesOf(DEFAULT_DEPARTMENTS) })
  await sync(transaction.zone as unknown as Table, { ...common, entries: entriesOf(DEFAULT_ZONES) })
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
