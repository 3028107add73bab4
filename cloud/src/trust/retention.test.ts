import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { readHead, verifyChain } from './chain.ts'
import { liftHold, listHolds, setHold } from './holds.ts'
import { closeIncident, listIncidents, noteIncident, openIncident, showIncident } from './incidents.ts'
import { DATA_CLASSES, INCIDENT_KINDS, RETENTION_DAYS } from './lists.ts'
import { applyRetention, historyRule, listRetention, setRetention } from './retention.ts'
import { createTestTenants, type TestScope, type TestTenants } from './test-tenants.ts'

const DAY = 86_400_000
const NOW = Date.now()

let tenants: TestTenants
let owner: Client
let jobs: Client
let one: TestScope
let two: TestScope

beforeAll(async () => {
  tenants = await createTestTenants()
  owner = tenants.database.ownerClient
  jobs = new Client(tenants.database.options('bt_jobs'))
  await jobs.connect()
  one = tenants.within(tenants.orgs[0])
  two = tenants.within(tenants.orgs[1])
})
afterAll(async () => {
  await jobs.end()
  await tenants.stop()
})

/** Events as they would stand there if the product had run for so many days. */
async function appendInThePast(org: number, days: readonly number[]): Promise<void> {
  await owner.query(
    `do $$ declare h audit.head; e audit.event; age integer; begin
       perform set_config('app.org', '${org}', true);
       insert into audit.head (org_id) values (${org}) on conflict do nothing;
       select * into h from audit.head where org_id = ${org};
       foreach age in array array[${days.join(',')}] loop
         e := row(${org}, h.n + 1, now() - make_interval(days => age), 'change', 'test', null, 'update', 'x', '1', null,
           null, null, null, null, 'ok', null)::audit.event;
         e.hash := sha256(h.hash || audit.content(e));
         perform audit.ensure_month(e.at);
         insert into audit.event select e.*;
         h.n := e.n; h.hash := e.hash; h.at := e.at;
       end loop;
       update audit.head set n = h.n, hash = h.hash, at = h.at where org_id = ${org};
     end $$`,
  )
}

const months = async () =>
  (
    await owner.query(
      `select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'audit.event'::regclass order by 1`,
    )
  ).rows.map(({ relname }) => relname)

describe('retention', () => {
  it('has the defaults of the product until an organisation says otherwise', async () => {
    const rules = await one.read((client) => listRetention(client, { nowMs: NOW }))
    expect(Object.fromEntries(rules.map(({ dataClass, days }) => [dataClass, days]))).toEqual(RETENTION_DAYS)
    await one.write((client) => setRetention(client, { dataClass: 'fix', days: 90, legalBasis: 'house rule 7' }))
    const changed = await one.read((client) => listRetention(client, { nowMs: NOW }))
    expect(changed.find(({ dataClass }) => dataClass === 'fix')).toMatchObject({ days: 90, legalBasis: 'house rule 7' })
    const theirs = await two.read((client) => listRetention(client, { nowMs: NOW }))
    expect(theirs.find(({ dataClass }) => dataClass === 'fix')?.days).toBe(400)
    const wrong = one.write((client) => setRetention(client, { dataClass: 'hair', days: 0 }))
    await expect(wrong).rejects.toMatchObject({
      details: { errors: [{ pointer: '/dataClass' }, { pointer: '/days' }, { pointer: '/legalBasis' }] },
    })
  })

  it('keeps history as long as the organisation that wants it longest, and not that of one that is held', async () => {
    expect(await historyRule(jobs, { nowMs: NOW })).toEqual({ fixDays: 400, sensorDays: 400, heldOrgs: [] })
    const hold = await two.write((client) => setHold(client, { dataClass: 'fix', reason: 'case 12' }, { nowMs: NOW }))
    expect((await historyRule(jobs, { nowMs: NOW })).heldOrgs).toEqual([tenants.orgs[1]])
    await two.write((client) => liftHold(client, hold.id, { nowMs: NOW }))
    expect((await historyRule(jobs, { nowMs: NOW })).heldOrgs).toEqual([])
  })

  it('drops whole months of the chain once nobody keeps them, and what is left can be checked', async () => {
    const [long, short] = [await newOrg('long'), await newOrg('short')]
    await appendInThePast(long, [2_700, 2_699, 2_650, 10, 5])
    await appendInThePast(short, [2_700, 8])
    const before = await months()
    const chain = tenants.within(long)
    const head = await chain.read(readHead)
    const { months: dropped } = await applyRetention(jobs, { nowMs: NOW })
    expect(dropped.length).toBeGreaterThanOrEqual(2)
    expect(await months()).toEqual(before.filter((name) => !dropped.includes(name.slice(6).replace('_', '-'))))
    const report = await verifyChain(chain, { anchors: [head, { n: 3, hash: await baseOf(long) }] })
    expect(report).toMatchObject({ first: 4, anchors: 2, problems: [] })
    expect(await verifyChain(tenants.within(short), { anchors: [] })).toMatchObject({ first: 2, problems: [] })
    const { rows } = await chain.read((client) =>
      client.query(`select actor, new from audit.event where action = 'dropped' order by n desc limit 1`),
    )
    expect(rows[0]).toMatchObject({ actor: 'job:retention', new: { n: 3, hash: await baseOf(long) } })
    expect((await applyRetention(jobs, { nowMs: NOW })).months).toEqual([])
  })

  it('drops no month that an organisation keeps longer, or that is held', async () => {
    const third = await newOrg('three')
    await appendInThePast(third, [2_800, 1])
    const three = tenants.within(third)
    const { id } = await three.write((client) => setHold(client, { reason: 'case 13' }, { nowMs: NOW }))
    expect((await applyRetention(jobs, { nowMs: NOW })).months).toEqual([])
    await three.write((client) => liftHold(client, id, { nowMs: NOW }))
    await three.write((client) => setRetention(client, { dataClass: 'audit', days: 3_000, legalBasis: 'law' }))
    expect((await applyRetention(jobs, { nowMs: NOW })).months).toEqual([])
    const month = (await months())[0].slice(6).replace('_', '-')
    const byHand = jobs.query('select audit.drop_month($1)', [`${month}-01`])
    await expect(byHand).rejects.toThrow('is to be kept')
    const newer = jobs.query('select audit.drop_month($1)', [`${new Date(NOW).toISOString().slice(0, 7)}-01`])
    await expect(newer).rejects.toThrow('an older month')
    await three.write((client) => setRetention(client, { dataClass: 'audit', days: 2_555, legalBasis: 'law' }))
    expect((await applyRetention(jobs, { nowMs: NOW })).months).toEqual([month])
    expect(await verifyChain(three, { anchors: [] })).toMatchObject({ first: 2, problems: [] })
  })

  it('lets nobody but the job drop a month', async () => {
    await expect(one.write((client) => client.query(`select audit.drop_month('2020-01-01')`))).rejects.toMatchObject({
      code: '42501',
    })
  })

  it('deletes sessions and invitations that are over for long, and no others', async () => {
    const old = new Date(NOW - 200 * DAY)
    await one.write(async (client) => {
      await client.query(
        `insert into iam.account (id, org_id, email, display_name) values
           ('00000000-0000-4000-8000-000000000001', iam.current_org(), 'a@example.org', 'A')`,
      )
      await client.query(
        `insert into iam.session (id, org_id, account_id, token_sha256, created_at, last_seen_at, expires_at)
         select gen_random_uuid(), iam.current_org(), '00000000-0000-4000-8000-000000000001', sha256(t::text::bytea), t, t,
           t + interval '12 hours' from unnest($1::timestamptz[]) as t`,
        [[old, new Date(NOW)]],
      )
    })
    expect(await applyRetention(jobs, { nowMs: NOW })).toMatchObject({ sessions: 1 })
    expect((await one.read((client) => client.query('select from iam.session'))).rowCount).toBe(1)
  })

  it('deletes records of compliance after ten years, each with an event of the chain, unless they are held', async () => {
    const [facility] = tenants.facilities
    await owner.query(
      `begin; set local session_replication_role = replica;
       insert into asset.inspection (id, org_id, facility_id, asset_id, kind, due_on, done_on, result)
       select gen_random_uuid(), ${tenants.orgs[0]}, ${facility}, gen_random_uuid(), 'safety', day, day, 'pass'
       from unnest(array[current_date - 3700, current_date - 3600]) as day; commit`,
    )
    const { id } = await one.write((client) =>
      setHold(client, { dataClass: 'compliance', reason: 'case 14' }, { nowMs: NOW }),
    )
    expect(await applyRetention(jobs, { nowMs: NOW })).toMatchObject({ compliance: 0 })
    await one.write((client) => liftHold(client, id, { nowMs: NOW }))
    expect(await applyRetention(jobs, { nowMs: NOW })).toMatchObject({ compliance: 1 })
    const { rows } = await one.read((client) =>
      client.query(`select actor, old ->> 'kind' as kind from audit.change_log where action = 'delete'`),
    )
    expect(rows).toEqual([{ actor: 'job:retention', kind: 'safety' }])
  })

  async function newOrg(slug: string): Promise<number> {
    return (await owner.query('insert into iam.org (slug, name) values ($1, $1) returning id', [slug])).rows[0].id
  }

  async function baseOf(org: number): Promise<string> {
    return (await owner.query(`select encode(hash, 'hex') as hash from audit.base where org_id = $1`, [org])).rows[0]
      .hash
  }
})

describe('a legal hold', () => {
  it('is set for a reason, is lifted once, and belongs to its organisation', async () => {
    const hold = await one.write((client) => setHold(client, { reason: 'case 15' }, { nowMs: NOW }))
    expect(hold).toMatchObject({ dataClass: null, to: null })
    const rules = await one.read((client) => listRetention(client, { nowMs: NOW }))
    expect(rules.every(({ held }) => held)).toBe(true)
    const foreign = two.write((client) => liftHold(client, hold.id, { nowMs: NOW }))
    await expect(foreign).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await one.write((client) => liftHold(client, hold.id, { nowMs: NOW }))
    const again = one.write((client) => liftHold(client, hold.id, { nowMs: NOW }))
    await expect(again).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect((await one.read(listHolds)).find(({ id }) => id === hold.id)?.to).toEqual(new Date(NOW))
    expect((await two.read(listHolds)).some(({ id }) => id === hold.id)).toBe(false)
    const empty = one.write((client) => setHold(client, { reason: ' ' }, { nowMs: NOW }))
    await expect(empty).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })
})

describe('an incident', () => {
  const input = { kind: 'breach', summary: 'A badge reader was stolen', discoveredAtMs: NOW - DAY, persons: 3 }

  it('is opened, noted, reported and closed, with 72 hours from its discovery', async () => {
    const { id, reportBy } = await one.write((client) => openIncident(client, input, { nowMs: NOW }))
    expect(reportBy.getTime()).toBe(NOW + 2 * DAY)
    await one.write((client) => noteIncident(client, id, { note: 'told the officer', nowMs: NOW, persons: 4 }))
    await one.write((client) => noteIncident(client, id, { note: 'told the authority', nowMs: NOW, reported: true }))
    await one.write((client) => closeIncident(client, id, { note: 'found again', nowMs: NOW + DAY }))
    const incident = await one.read((client) => showIncident(client, id))
    expect(incident).toMatchObject({ persons: 4, reportedAt: new Date(NOW), closedAt: new Date(NOW + DAY) })
    expect(incident.notes.map(({ note, actor }) => `${actor}: ${note}`)).toEqual([
      'operator:test: told the officer',
      'operator:test: told the authority',
      'operator:test: found again',
    ])
    const late = one.write((client) => noteIncident(client, id, { note: 'one more thing', nowMs: NOW }))
    await expect(late).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const { rows } = await one.read((client) =>
      client.query(
        `select count(*)::int as n from audit.change_log where object like 'audit.incident%' and object_id <> ''`,
      ),
    )
    expect(rows[0].n).toBeGreaterThanOrEqual(6)
  })

  it('belongs to its organisation', async () => {
    const { id } = await one.write((client) => openIncident(client, input, { nowMs: NOW }))
    expect((await one.read(listIncidents))[0]?.closedAt).toBeNull()
    expect(await two.read(listIncidents)).toEqual([])
    const attempts = [
      () => two.read((client) => showIncident(client, id)),
      () => two.write((client) => noteIncident(client, id, { note: 'x', nowMs: NOW })),
      () => two.write((client) => closeIncident(client, id, { note: 'x', nowMs: NOW })),
    ]
    for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('cannot be of tomorrow, of no kind, or without words', async () => {
    const wrong = { kind: 'party', summary: '', discoveredAtMs: NOW + DAY }
    await expect(one.write((client) => openIncident(client, wrong, { nowMs: NOW }))).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    })
    const future = one.write((client) => openIncident(client, { ...input, discoveredAtMs: NOW + 1 }, { nowMs: NOW }))
    await expect(future).rejects.toMatchObject({ details: { errors: [{ pointer: '/discoveredAtMs' }] } })
  })
})

describe('lists', () => {
  it.each([
    ['audit.retention_policy', 'data_class', DATA_CLASSES],
    ['audit.legal_hold', 'data_class', DATA_CLASSES],
    ['audit.incident', 'kind', INCIDENT_KINDS],
  ])('of %s are the same in the database and here', async (table, column, list) => {
    const { rows } = await owner.query(
      `select pg_get_constraintdef(oid) as text from pg_constraint
       where conrelid = $1::regclass and contype = 'c' and pg_get_constraintdef(oid) like $2`,
      [table, `%${column} = ANY%`],
    )
    expect([...rows[0].text.matchAll(/'([a-z_]+)'/g)].map(([, value]) => value).sort()).toEqual([...list].sort())
  })

  it.each(['retention_policy', 'legal_hold', 'base', 'incident', 'incident_note'])(
    'keeps audit.%s of one organisation from another',
    async (table) => {
      const { rows } = await owner.query(`select count(*)::int as n from audit.${table}`)
      expect(rows[0].n).toBeGreaterThan(0)
      const foreign = await two.read((client) =>
        client.query(`select from audit.${table} where org_id <> $1`, [tenants.orgs[1]]),
      )
      expect(foreign.rowCount).toBe(0)
    },
  )
})
