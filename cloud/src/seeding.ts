import type { Client, ClientBase, Pool } from 'pg'

import { assetCatalogues, assetDesk } from './assets/asset-desk.ts'
import { addCertification } from './assets/certification-book.ts'
import { createContract } from './assets/contract-book.ts'
import { createRecall } from './assets/recall-book.ts'
import { reportFailure } from './assets/service-failure.ts'
import { changeSection } from './assets/service-section.ts'
import { createWorkOrder } from './assets/work-order-book.ts'
import { stepWorkOrder } from './assets/work-order-steps.ts'
import { deriveStays } from './history/derive-stays.ts'
import { createHistoryDesk } from './history/history-desk.ts'
import { rollUp } from './history/roll-up.ts'
import type { Vault } from './people/keyring.ts'
import { STAFF_GROUPS } from './people/lists.ts'
import { createPeopleDesk } from './people/people-desk.ts'
import {
  type PeopleParts,
  type Seeded,
  type SeedFlows,
  type SeedWish,
  type ServiceParts,
  seedDatabase,
} from './seed/seed.ts'
import { applySite } from './sites/site-apply.ts'
import { systemClock } from './system-clock.ts'
import { setScope } from './tenancy/scope.ts'
import { grantRole, inviteAccount } from './trust/accounts.ts'
import { SYSTEM_ROLES } from './trust/lists.ts'
import { ensureSystemRoles } from './trust/roles.ts'

interface SeedingParts {
  /** Superuser. */
  readonly pool: Pool
  readonly actor: string
  /** Without it no people are made. */
  readonly vault: Vault | undefined
}

const DAY_MS = 86_400_000
const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)

/**
 * Fills an empty database for a demonstration, by the flows that everybody uses: as the role of the API where that writes,
 * as the role of the jobs where they do.
 * @throws BioTrakrError CONFLICT
 */
export function seed({ pool, actor, vault }: SeedingParts, wish: SeedWish): Promise<Seeded> {
  const history = createHistoryDesk(systemClock)
  const within = (role: string | undefined, orgId: number | undefined) => inTransaction(pool, { role, orgId, actor })
  const flows: SeedFlows = {
    site: (house) => applySite(pool, house, { actor, withDefaults: true }),
    tenant: (orgId) => ({ write: within('bt_api', orgId) }),
    asOwner: within(undefined, undefined),
    catalogue: (client, which, item) => assetCatalogues[which].create(client, item),
    asset: assetDesk.create,
    regulatory: (client, asset, body) => changeSection(client, 'regulatory', { asset, body }),
    assign: history.assign,
    service: writeService,
    people: vault && ((client, parts) => writePeople(client, vault, parts)),
    accounts: (client, count) => writeAccounts(client, count, wish.nowMs),
    derive: async (orgId) => {
      await asJobs(pool, async (client) => {
        await deriveStays(client, systemClock)
        await rollUp(client, systemClock)
      })
      await within('bt_api', orgId)(assetDesk.rebuildSearchWords)
    },
  }
  return seedDatabase(flows, wish)
}

interface Standing {
  readonly role: string | undefined
  readonly orgId: number | undefined
  readonly actor: string
}

function inTransaction(pool: Pool, { role, orgId, actor }: Standing) {
  return async <T>(work: (client: ClientBase) => Promise<T>): Promise<T> => {
    const client = await pool.connect()
    try {
      await client.query('begin; set local statement_timeout = 0')
      if (role !== undefined) await client.query(`set local role ${role}`)
      if (orgId !== undefined) await setScope(client, { orgId, facilities: 'all', actor, purpose: 'demonstration' })
      const result = await work(client)
      await client.query('commit')
      return result
    } catch (error) {
      await client.query('rollback')
      throw error
    } finally {
      client.release()
    }
  }
}

/** The jobs make transactions of their own. */
async function asJobs(pool: Pool, work: (client: Client) => Promise<void>): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('set role bt_jobs; set statement_timeout = 0')
    await work(client as unknown as Client)
  } finally {
    client.release(true)
  }
}

/** Work in every state, failures, a recall of each class, certificates of which some lapse soon, contracts. */
async function writeService(client: ClientBase, parts: ServiceParts): Promise<number> {
  const { assets, vendors, stock, workOrders, nowMs, chance } = parts
  for (const [n, vendor_id] of vendors.slice(0, 6).entries()) {
    await createContract(client, {
      vendor_id,
      kind: 'service',
      number: `C-${n + 1}`,
      from_on: dayOf(nowMs - 300 * DAY_MS),
      to_on: dayOf(nowMs + (20 + n * 40) * DAY_MS),
      cost_year: 1_200_000,
      currency: 'EUR',
      notice_days: 90,
    })
  }
  for (const [n, asset] of assets.slice(0, Math.ceil(assets.length / 10)).entries()) {
    const issued_on = dayOf(nowMs - 340 * DAY_MS)
    const valid_until = dayOf(nowMs + (n % 60) * DAY_MS)
    await addCertification(client, asset, {
      kind: 'Electrical safety',
      issuer: 'House laboratory',
      issued_on,
      valid_until,
    })
  }
  for (const [n, level] of (['I', 'II', 'III'] as const).entries()) {
    await createRecall(client, {
      number: `DEMO-${n + 1}`,
      authority: 'Demonstration authority',
      class: level,
      title: `Demonstration recall of class ${level}`,
      udi_dis: [stock.models[n]?.udi_di],
      action: 'Take it out of use and have it looked at.',
      issued_on: dayOf(nowMs - (5 + n) * DAY_MS),
    })
  }
  for (let n = 0; n < workOrders; n++) await writeWork(client, { asset: chance.pick(assets), n, nowMs })
  return workOrders
}

interface OneWork {
  readonly asset: string
  readonly n: number
  readonly nowMs: number
}

/** One in four came from a failure; each goes on for as many steps as its number says. */
async function writeWork(client: ClientBase, { asset, n, nowMs }: OneWork): Promise<void> {
  if (n % 4 === 0) {
    const at = new Date(nowMs - (1 + (n % 20)) * DAY_MS).toISOString()
    const [mode, severity] =
      [
        ['Battery does not hold', 'minor'],
        ['Display is dark', 'major'],
        ['Alarm is silent', 'critical'],
      ][n % 3] ?? []
    await reportFailure(client, asset, { mode, severity, at, open_work_order: n % 8 === 0 })
    return
  }
  const order = await createWorkOrder(client, {
    asset_id: asset,
    kind: n % 2 === 0 ? 'preventive' : 'calibration',
    title: n % 2 === 0 ? 'Yearly maintenance' : 'Calibration',
    due_on: dayOf(nowMs + ((n % 60) - 20) * DAY_MS),
  })
  const id = String(order['id'])
  const steps = [
    ['assign', { assigned_to: `Technician ${1 + (n % 8)}` }],
    ['start', {}],
    ['finish', { action: 'Done as the plan says.' }],
    ['verify', {}],
  ] as const
  let version = order['row_version']
  for (const [step, body] of steps.slice(0, n % (steps.length + 1))) {
    const moved = await stepWorkOrder(client, step, { id, body: { row_version: version, ...body } })
    version = moved['row_version']
  }
}

/** Staff who consent to a badge, and patients with a pseudonym each, some of them in a bed. No name is a person's. */
async function writePeople(client: ClientBase, vault: Vault, parts: PeopleParts): Promise<void> {
  const { facility, badges, patients, beds, fromMs } = parts
  const desk = createPeopleDesk(vault)
  const from = new Date(fromMs).toISOString()
  for (const [n, tag] of badges.entries()) {
    const group = STAFF_GROUPS[n % STAFF_GROUPS.length]
    const { id } = await desk.staff.create(client, {
      group,
      name: `Staff ${facility} ${n + 1}`,
      number: `${facility}-${n + 1}`,
    })
    await desk.consents.record(client, { staffId: id, scope: 'location', basis: 'consent', from })
    await desk.staff.assignTag(client, id, { tag, from })
  }
  for (let n = 0; n < patients; n++) {
    const { id } = await desk.patients.create(client, { label: `${facility}-${String(n + 1).padStart(3, '0')}` })
    const bed = beds[n]
    if (bed) await desk.encounters.admit(client, { patientId: id, facility, room: bed.room, bed: bed.code, at: from })
  }
}

/** Nobody has a password: each sets one with the code that is printed once. */
async function writeAccounts(client: ClientBase, count: number, nowMs: number) {
  await ensureSystemRoles(client)
  const made: { email: string; code: string }[] = []
  for (let n = 0; n < count; n++) {
    const role = SYSTEM_ROLES[n % SYSTEM_ROLES.length]?.code ?? 'viewer'
    const wish = {
      email: `${role.replace('_', '-')}-${1 + Math.floor(n / SYSTEM_ROLES.length)}@northfield.example`,
      name: `Demo ${role}`,
    }
    const { email, code } = await inviteAccount(client, wish, { nowMs })
    await grantRole(client, email, { role, nowMs })
    made.push({ email, code })
  }
  return made
}
