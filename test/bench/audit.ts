import { verifyChain, withTenant } from '@biotrakr/cloud'
import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'

import type { Figure } from './figure.ts'

const EVENTS = 1_000_000
const GOAL_S = 5
const GROUPS = [1, 100, 50_000]
const SINGLES = 1_000

/** Writing the audit chain by groups, and looking for what was done to a million events of it. */
export async function benchAudit(say: (text: string) => void): Promise<Figure[]> {
  const database = await createTestDatabase()
  try {
    await database.ownerClient.query(`insert into iam.org (slug, name) values ('one', 'One')`)
    return [...(await appendRates(database)), ...(await verifying(database, say))]
  } finally {
    await database.stop()
  }
}

function inTenant<T>(database: TestDatabase, work: Parameters<typeof withTenant<T>>[2]): Promise<T> {
  return withTenant(database.options('bt_api'), { org: 'one', actor: 'operator:bench' }, work)
}

async function appendRates(database: TestDatabase): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const size of GROUPS) {
    const rounds = size === 1 ? SINGLES : Math.max(1, Math.round(SINGLES / size))
    const seconds = await inTenant(database, async (tenant) => {
      const startMs = performance.now()
      for (let round = 0; round < rounds; round++) {
        await tenant.write((client) =>
          client.query(
            `select count(audit.append('change', 'update', 'asset.asset', i::text, null, '{"status": "active"}',
               '{"status": "retired"}')) from generate_series(1, $1::int) as i`,
            [size],
          ),
        )
      }
      return (performance.now() - startMs) / 1_000
    })
    const name = size === 1 ? 'one a transaction' : `${size} a transaction`
    figures.push({ group: 'events appended to the audit chain', name, value: (rounds * size) / seconds, unit: '/s' })
  }
  return figures
}

async function verifying(database: TestDatabase, say: (text: string) => void): Promise<Figure[]> {
  const owner = database.ownerClient
  say(`writing ${EVENTS} events`)
  // As audit.append writes them, without what it costs to ask who writes.
  await owner.query(
    `do $$ declare h audit.head; e audit.event; begin
       select * into h from audit.head;
       for i in h.n + 1 .. ${EVENTS} loop
         e := row(h.org_id, i, clock_timestamp(), 'change', 'operator:bench', null, 'update', 'asset.asset', i::text, null,
           null, null, '{"status": "active"}', '{"status": "retired"}', 'ok', null)::audit.event;
         e.hash := sha256(h.hash || audit.content(e));
         insert into audit.event select e.*;
         h.hash := e.hash;
       end loop;
       update audit.head set n = e.n, hash = e.hash, at = e.at;
     end $$`,
  )
  await owner.query('vacuum analyze audit.event')
  await owner.query('create table public.gone as table audit.event with no data')
  const head = (await owner.query(`select n, encode(hash, 'hex') as hash from audit.head`)).rows[0]
  const anchors = [{ n: Number(head.n), hash: String(head.hash) }]
  const cases = [
    ['whole', 'select 1', 'select 1', 0],
    ['one byte changed', change(1), change(1), 1],
    ['one event taken out', take('n = 444444'), back, 1],
    ['the end cut off', take('n > 999000'), back, 1],
  ] as const
  const figures: Figure[] = []
  for (const [name, damage, repair, wanted] of cases) {
    await owner.query(`set session_replication_role = replica; ${damage}`)
    const startMs = performance.now()
    const { problems, events } = await inTenant(database, (tenant) => verifyChain(tenant, { anchors }))
    const seconds = (performance.now() - startMs) / 1_000
    say(`${name}: ${events} events, ${JSON.stringify(problems)}`)
    await owner.query(repair)
    const group = `checking ${EVENTS} events of the audit chain, two connections`
    figures.push({ group, name, value: seconds, unit: 's', goal: { atMost: GOAL_S } })
    const isFound = problems.length >= wanted && (wanted > 0 || problems.length === 0)
    figures.push({ group, name: `${name}: found`, value: isFound ? 1 : 0, unit: '', goal: { atLeast: 1 } })
  }
  return figures
}

/** Twice is as before. */
function change(bit: number): string {
  return `update audit.event set hash = set_byte(hash, 7, get_byte(hash, 7) # ${bit}) where n = 555555`
}

function take(which: string): string {
  return `insert into public.gone select * from audit.event where ${which}; delete from audit.event where ${which}`
}

const back = 'insert into audit.event table public.gone; truncate public.gone'
