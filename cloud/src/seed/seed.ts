import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { type Chance, createChance } from './chance.ts'
import { writeFixes } from './fixes.ts'
import { type House, type HousePlan, planHouse, type SeedTag } from './house.ts'
import { planStock, type Stock } from './stock.ts'
import { neighboursOf, walk } from './walk.ts'

type Work<T> = (client: ClientBase) => Promise<T>

interface Tenant {
  /** Runs one transaction as the API would, held by row security. */
  write<T>(work: Work<T>): Promise<T>
}

interface Made {
  readonly id: string
}

/** The flows that every row goes through but fixes, of which there are too many. */
export interface SeedFlows {
  site(house: House): Promise<{ readonly orgId: number; readonly facilityId: number }>
  tenant(orgId: number): Tenant
  /** As a superuser, in one transaction. */
  asOwner<T>(work: Work<T>): Promise<T>
  catalogue(client: ClientBase, which: 'vendors' | 'categories' | 'models', item: object): Promise<Made>
  asset(client: ClientBase, input: object): Promise<Made>
  regulatory(client: ClientBase, asset: string, body: object): Promise<unknown>
  assign(client: ClientBase, input: object): Promise<unknown>
  /** What happens to things: work, failures, recalls, certificates, contracts. */
  service(client: ClientBase, parts: ServiceParts): Promise<number>
  /** Undefined without a master key. */
  readonly people: ((client: ClientBase, parts: PeopleParts) => Promise<void>) | undefined
  /** @returns codes with which the owners set their passwords */
  accounts(client: ClientBase, count: number): Promise<readonly { readonly email: string; readonly code: string }[]>
  /** The scheduled work: stays, sums, words of the search. */
  derive(orgId: number): Promise<void>
}

export interface ServiceParts {
  readonly assets: readonly string[]
  readonly vendors: readonly string[]
  readonly stock: Stock
  readonly workOrders: number
  readonly nowMs: number
  readonly chance: Chance
}

export interface PeopleParts {
  readonly facility: string
  readonly badges: readonly string[]
  readonly patients: number
  readonly beds: readonly { readonly room: string; readonly code: string }[]
  readonly fromMs: number
}

export interface SeedWish {
  readonly seed: number
  readonly size: keyof typeof SIZES
  readonly nowMs: number
  readonly say: (text: string) => void
}

type Invitations = readonly { readonly email: string; readonly code: string }[]

export interface Seeded {
  readonly assets: number
  readonly fixes: number
  readonly work: number
  readonly people: boolean
  readonly invitations: Invitations
}

const DAY_MS = 86_400_000
const BATCH = 250
/** The first two are the facilities of the hospital, the third is another tenant's. */
const SIZES = {
  small: {
    houses: [
      { rooms: 24, beds: 16, things: 60 },
      { rooms: 12, beds: 6, things: 20 },
    ],
    days: 1,
    accounts: 11,
    work: 20,
  },
  full: {
    houses: [
      { rooms: 420, beds: 500, things: 1_200 },
      { rooms: 110, beds: 120, things: 300 },
    ],
    days: 5,
    accounts: 60,
    work: 400,
  },
} as const
const OTHER = { rooms: 12, beds: 6, things: 10 }
const HOSPITAL = { slug: 'northfield', name: 'Northfield Health' }
const STRANGER = { slug: 'otherland', name: 'Otherland Clinic' }

/**
 * Fills a database with a hospital of two facilities in two time zones, and another tenant: the same for the same number,
 * size and moment, but for keys, ids and invitation codes, which nobody should be able to guess.
 * @throws BioTrakrError CONFLICT for a database that has one of the organisations
 */
export async function seedDatabase(flows: SeedFlows, { seed, size, nowMs, say }: SeedWish): Promise<Seeded> {
  await refuseSeeded(flows)
  const chance = createChance(seed)
  const wish = SIZES[size]
  const tenants = [
    { org: HOSPITAL, houses: plansOf(wish.houses) },
    {
      org: STRANGER,
      houses: [{ ...OTHER, code: 'other', name: 'Otherland', zone: 'UTC', prefix: 'ff', floors: 1, buildings: 1 }],
    },
  ]
  const total = { assets: 0, fixes: 0, work: 0, people: flows.people !== undefined, invitations: [] as Invitations }
  for (const { org, houses } of tenants) {
    const isHospital = org === HOSPITAL
    const parts = { flows, org, houses, chance, nowMs, days: wish.days, withPeople: isHospital, say }
    const { orgId, fixes, assets, vendors, stock } = await seedTenant(parts)
    const tenant = flows.tenant(orgId)
    const workOrders = isHospital ? wish.work : 3
    total.work += await tenant.write((client) =>
      flows.service(client, { assets, vendors, stock, workOrders, nowMs, chance }),
    )
    if (isHospital) total.invitations = await tenant.write((client) => flows.accounts(client, wish.accounts))
    say(`${org.name}: deriving stays and sums`)
    await flows.derive(orgId)
    total.assets += assets.length
    total.fixes += fixes
  }
  return total
}

interface TenantParts extends Pick<SeedWish, 'nowMs' | 'say'> {
  readonly flows: SeedFlows
  readonly org: HousePlan['org']
  readonly houses: readonly HouseWish[]
  readonly chance: Chance
  readonly days: number
  readonly withPeople: boolean
}

async function seedTenant({ flows, org, houses, chance, nowMs, days, withPeople, say }: TenantParts) {
  const stock = planStock(
    houses.reduce((sum, { things }) => sum + things, 0),
    chance,
  )
  const assets: string[] = []
  let catalogues: Catalogues | undefined
  let [orgId, fixes] = [0, 0]
  for (const each of houses) {
    const house = planHouse(planOf(org, each))
    const made = await flows.site(house)
    orgId = made.orgId
    const tenant = flows.tenant(orgId)
    catalogues ??= await writeCatalogues(flows, tenant, stock)
    const things = stock.things.slice(assets.length, assets.length + each.things)
    assets.push(
      ...(await writeThings(flows, tenant, { house, things, models: catalogues.models, fromMs: nowMs - 30 * DAY_MS })),
    )
    const people = { house, patients: Math.floor(each.beds / 2), fromMs: nowMs - 20 * DAY_MS }
    if (withPeople) await writePeople(flows, tenant, people)
    const walks = walksOf(house, { chance, fromMs: nowMs - days * DAY_MS, untilMs: nowMs })
    const gateway = house.gateways[0]?.name ?? ''
    fixes += await flows.asOwner((client) => writeFixes(client, { ...made, gateway, walks }))
    say(`${each.name}: ${house.rooms.length} rooms, ${things.length} assets; ${fixes} fixes so far`)
  }
  return { orgId, fixes, assets, stock, vendors: catalogues?.vendors ?? [] }
}

async function refuseSeeded(flows: SeedFlows): Promise<void> {
  const { rows } = await flows.asOwner((client) =>
    client.query<{ slug: string }>('select slug from iam.org where slug = any($1)', [[HOSPITAL.slug, STRANGER.slug]]),
  )
  if (rows.length === 0) return
  throw new BioTrakrError(`This database has the organisation ${rows.map(({ slug }) => slug).join(' and ')} already`, {
    code: 'CONFLICT',
    next: 'Seed an empty database; nothing of this one was touched.',
  })
}

interface HouseWish {
  readonly rooms: number
  readonly beds: number
  readonly things: number
  readonly code: string
  readonly name: string
  readonly zone: string
  /** Two hexadecimal digits of its tags' addresses. */
  readonly prefix: string
  readonly floors: number
  readonly buildings: number
}

function plansOf([main, side]: (typeof SIZES)[keyof typeof SIZES]['houses']): readonly HouseWish[] {
  const isFull = main.rooms > 100
  return [
    {
      ...main,
      code: 'northfield',
      name: 'Northfield',
      zone: 'America/New_York',
      prefix: 'a1',
      floors: isFull ? 10 : 2,
      buildings: isFull ? 3 : 1,
    },
    {
      ...side,
      code: 'riverside',
      name: 'Riverside',
      zone: 'Europe/Berlin',
      prefix: 'b2',
      floors: isFull ? 4 : 1,
      buildings: 1,
    },
  ]
}

function planOf(
  org: HousePlan['org'],
  { code, name, zone, things, prefix, rooms, beds, floors, buildings }: HouseWish,
): HousePlan {
  const staff = Math.ceil(things / 8)
  const tags = [
    ...Array.from({ length: things }, (_, n) => tagOf(prefix, n)),
    ...Array.from({ length: staff }, (_, n): SeedTag => {
      const label = `Badge ${n + 1}`
      return { identity: `ble:c4${prefix}0000${String(n).padStart(4, '0')}`, kind: 'badge', label }
    }),
  ]
  const gateways = Math.max(1, Math.round(rooms / 12))
  return { org, facility: { code, name, timeZone: zone }, buildings, floors, rooms, beds, gateways, tags }
}

/** Seven of ten are Bluetooth, the others UHF. */
function tagOf(prefix: string, n: number): SeedTag {
  const label = `Tag ${n + 1}`
  if (n % 10 < 7) return { identity: `ble:c3${prefix}0000${String(n).padStart(4, '0')}`, kind: 'ble', label }
  const number = 1_000_000 * Number.parseInt(prefix, 16) + n
  return { identity: `epc:urn:epc:id:giai:9521141.${number}`, kind: 'rfid_uhf', label }
}

async function writeCatalogues(flows: SeedFlows, tenant: Tenant, stock: Stock): Promise<Catalogues> {
  return tenant.write(async (client) => {
    const vendors: string[] = []
    const models = new Map<string, string>()
    for (const item of stock.vendors) vendors.push((await flows.catalogue(client, 'vendors', item)).id)
    for (const item of stock.categories) await flows.catalogue(client, 'categories', item)
    for (const item of stock.models) models.set(item.model_no, (await flows.catalogue(client, 'models', item)).id)
    return { vendors, models }
  })
}

/** Ids of what was made; models by their number. */
interface Catalogues {
  readonly vendors: readonly string[]
  readonly models: ReadonlyMap<string, string>
}

interface Things {
  readonly house: House
  readonly things: Stock['things']
  readonly models: Catalogues['models']
  readonly fromMs: number
}

/** Each with what regulation wants to know, and a tag. */
async function writeThings(
  flows: SeedFlows,
  tenant: Tenant,
  { house, things, models, fromMs }: Things,
): Promise<string[]> {
  const ids: string[] = []
  const tags = house.tags.filter(({ kind }) => kind !== 'badge')
  const rooms = house.rooms.filter(({ kind }) => kind !== 'corridor')
  const from = new Date(fromMs).toISOString()
  for (let begin = 0; begin < things.length; begin += BATCH) {
    await tenant.write(async (client) => {
      for (const [n, { udi, model, ...thing }] of things.slice(begin, begin + BATCH).entries()) {
        const facility = house.facility.code
        const home_room = rooms[(begin + n) % rooms.length]?.code
        const { id } = await flows.asset(client, {
          ...thing,
          model_id: models.get(model),
          facility,
          home_room,
          mobility: 'mobile',
        })
        await flows.regulatory(client, id, { row_version: 0, udi, is_ce_marked: true, fda_class: 'II' })
        await flows.assign(client, { asset: id, tag: tags[begin + n]?.identity, from, reason: 'seed' })
        ids.push(id)
      }
    })
  }
  return ids
}

interface People {
  readonly house: House
  readonly patients: number
  readonly fromMs: number
}

async function writePeople(flows: SeedFlows, tenant: Tenant, { house, patients, fromMs }: People): Promise<void> {
  const { people } = flows
  if (!people) return
  const badges = house.tags.filter(({ kind }) => kind === 'badge').map(({ identity }) => identity)
  const { beds, facility } = house
  await tenant.write((client) => people(client, { facility: facility.code, badges, patients, beds, fromMs }))
}

interface WalkTimes {
  readonly chance: Chance
  readonly fromMs: number
  readonly untilMs: number
}

const REST_MS = { badge: 20 * 60_000, ble: 3 * 3_600_000, ble_sensor: 3 * 3_600_000, rfid_uhf: 6 * 3_600_000 } as const

function* walksOf(house: House, times: WalkTimes) {
  const neighbours = neighboursOf(house.doors.map(({ between }) => between))
  const rooms = house.rooms.filter(({ kind }) => kind !== 'corridor')
  for (const [n, { identity, kind }] of house.tags.entries()) {
    const home = rooms[n % rooms.length]?.code ?? ''
    yield [identity, walk({ ...times, neighbours, home, restMs: REST_MS[kind] })] as const
  }
}
