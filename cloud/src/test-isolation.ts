import type { ClientBase } from 'pg'

import { createScopedDatabase, type Scope } from './tenancy/scope.ts'
import { createPool } from './upkeep/connection.ts'
import type { TestDatabase } from './upkeep/test-database.ts'

/** What many requests at once saw. */
export interface IsolationResult {
  readonly requests: number
  readonly rows: number
  /** Rows of another organisation, or of a facility that the request did not reach. */
  readonly foreign: number
  /** Rows that the request should have seen and did not. */
  readonly missing: number
  /** Requests that were meant to fail half-way. */
  readonly broken: number
  readonly seconds: number
}

const TENANTS = 4
const FACILITIES = 3
const ROWS = 5
/** As `serve` has them. */
const CONNECTIONS = 8
/** More waiting than this the server refuses. */
const AT_ONCE = 100
const SOURCES = ['site.room', 'rtls.tag', 'asset.asset', `audit.change_log where object_id = 'marker'`]

interface House {
  readonly orgId: number
  readonly facilities: readonly number[]
}

/**
 * For tests: requests of mixed organisations and facilities, very many at once, through the pool and the scopes that the server
 * uses. Some read, some write, some fail half-way, some have no scope at all; every row is counted.
 */
export async function measureIsolation(database: TestDatabase, requests: number): Promise<IsolationResult> {
  const houses = await buildHouses(database)
  const pool = createPool({ ...database.options('bt_api'), max: CONNECTIONS })
  const scoped = createScopedDatabase(pool)
  const seen = { rows: 0, foreign: 0, missing: 0, broken: 0 }
  const random = sequence(requests)

  const look = async (client: ClientBase, { orgId, facilities }: Scope, house: House) => {
    const reached = facilities === 'all' ? house.facilities : facilities
    for (const source of SOURCES) {
      const { rows } = await client.query<{ org_id: number; facility_id: number }>(
        `select org_id, facility_id from ${source}`,
      )
      const own = rows.filter((row) => row.org_id === orgId && reached.includes(row.facility_id)).length
      seen.rows += rows.length
      seen.foreign += rows.length - own
      seen.missing += Math.max(0, reached.length * ROWS - own)
    }
  }

  const request = async () => {
    const house = houses[random(TENANTS)] as House
    const scope: Scope = { orgId: house.orgId, facilities: reachOf(house, random), actor: 'token' }
    const kind = random(20)
    if (kind === 0) {
      for (const source of SOURCES) seen.foreign += (await pool.query(`select from ${source}`)).rowCount ?? 0
    } else if (kind === 1) {
      await scoped
        .write(scope, (client) => client.query('select 1 / 0'))
        .catch(() => {
          seen.broken += 1
        })
    } else if (kind < 6) {
      await scoped.write(scope, async (client) => {
        await client.query(`select audit.append('system', 'request', 'test', 'other')`)
        await look(client, scope, house)
      })
    } else await scoped.read(scope, (client) => look(client, scope, house))
  }

  const startMs = performance.now()
  let left = requests
  const visitor = async () => {
    while (left > 0) {
      left -= 1
      await request()
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, visitor))
  const seconds = (performance.now() - startMs) / 1_000
  await pool.end()
  return { requests, ...seen, seconds }
}

function reachOf({ facilities }: House, random: (below: number) => number): Scope['facilities'] {
  const kind = random(4)
  if (kind === 0) return 'all'
  if (kind === 1) return []
  const first = random(FACILITIES)
  const chosen = kind === 2 ? [first] : [first, (first + 1) % FACILITIES]
  return chosen.map((n) => facilities[n] as number)
}

/** The same for the same number of requests. */
function sequence(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

async function buildHouses({ ownerClient: owner }: TestDatabase): Promise<House[]> {
  const houses: House[] = []
  for (let tenant = 0; tenant < TENANTS; tenant++) {
    const { rows } = await owner.query(`insert into iam.org (slug, name) values ($1, $1) returning id`, [`t${tenant}`])
    const orgId: number = rows[0].id
    await owner.query(
      `begin; set local session_replication_role = replica;
       insert into site.facility (org_id, code, name, time_zone)
         select ${orgId}, 'f' || i, 'f' || i, 'UTC' from generate_series(1, ${FACILITIES}) as i;
       insert into site.room (org_id, facility_id, code, name)
         select org_id, id, 'r' || i, 'r' || i from site.facility, generate_series(1, ${ROWS}) as i where org_id = ${orgId};
       insert into rtls.tag (org_id, facility_id, identity)
         select org_id, id, 'ble:c30000' || lpad((id * 10 + i)::text, 6, '0')
         from site.facility, generate_series(1, ${ROWS}) as i where org_id = ${orgId};
       insert into asset.category (id, org_id, code, name) values (gen_random_uuid(), ${orgId}, 'pumps', 'Pumps');
       insert into asset.asset (id, org_id, facility_id, category_id, asset_tag, name)
         select gen_random_uuid(), f.org_id, f.id, c.id, f.id || '-' || i, 'Pump'
         from site.facility f join asset.category c on c.org_id = f.org_id, generate_series(1, ${ROWS}) as i
         where f.org_id = ${orgId}; commit;
       begin; set local app.org = ${orgId}; set local app.actor = 'test';
       select audit.append('change', 'made', 'test', 'marker', f.id)
         from site.facility f, generate_series(1, ${ROWS}) where f.org_id = ${orgId}; commit`,
    )
    const facilities = await owner.query('select id from site.facility where org_id = $1 order by id', [orgId])
    houses.push({ orgId, facilities: facilities.rows.map(({ id }) => id) })
  }
  return houses
}
