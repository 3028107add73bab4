import { randomUUID } from 'node:crypto'

import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { CONSENT_BASES, CONSENT_SCOPES, KEY_PURPOSES, STAFF_GROUPS } from './lists.ts'
import { changePatient, createPatient, findPatient, listPatients, readPatient } from './patients.ts'
import { changeStaff, createStaff, findStaff, listStaff, readStaffMember } from './staff.ts'
import { createTestHospital, type TestHospital } from './test-hospital.ts'

let hospital: TestHospital
beforeAll(async () => {
  hospital = await createTestHospital()
})
afterAll(() => hospital.stop())

const NAME = 'Zzyzx Canaryworth'
const NUMBER = 'MRN-987654321'

describe('a patient', () => {
  it('is kept under a pseudonym, and read with name and number', async () => {
    const { api, vault } = hospital
    const { id, label } = await api((client) => createPatient(client, vault, { name: NAME, number: NUMBER }))
    expect(label).toMatch(/^P-\d{6}$/)
    const patient = await api((client) => readPatient(client, vault, id))
    expect(patient).toMatchObject({ id, label, name: NAME, number: NUMBER, erasedAt: null, rowVersion: 1 })
  })

  it('is found by its number in any spelling, and by its label', async () => {
    const { api, vault } = hospital
    const id = await api((client) => findPatient(client, vault, { number: ' mrn-987 654 321' }))
    const patient = await api((client) => readPatient(client, vault, id ?? ''))
    expect(patient.name).toBe(NAME)
    expect(await api((client) => findPatient(client, vault, { label: patient.label ?? '' }))).toBe(id)
    expect(await api((client) => findPatient(client, vault, { number: 'MRN-1' }))).toBeUndefined()
  })

  it('takes a change with the version that was read, and shows both states to whoever comes second', async () => {
    const { api, vault } = hospital
    const { id } = await api((client) => createPatient(client, vault, { label: 'P-1', number: '100' }))
    const changed = await api((client) =>
      changePatient(client, vault, { id, rowVersion: 1, name: 'Second Canaryworth' }),
    )
    expect(changed).toMatchObject({
      isStale: false,
      current: { name: 'Second Canaryworth', number: '100', rowVersion: 2 },
    })
    const stale = await api((client) => changePatient(client, vault, { id, rowVersion: 1, label: 'P-2' }))
    expect(stale).toMatchObject({ isStale: true, current: { label: 'P-1', rowVersion: 2 } })
    // Reading for the change, reading the state that came of it; each time.
    expect(await hospital.all(`select from audit.event where action = 'read' and object_id = $1`, id)).toHaveLength(4)
  })

  it.each([
    [{ label: 'P-1' }, 'label'],
    [{ number: '1 0 0' }, 'record number'],
  ])('is refused when another has %j', async (input, what) => {
    const { api, vault } = hospital
    await expect(api((client) => createPatient(client, vault, input))).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining(what),
    })
  })

  it('that two enter at the same moment is entered once', async () => {
    const { database, vault, orgs } = hospital
    const clients = [new Client(database.options('bt_api')), new Client(database.options('bt_api'))]
    const enter = async (client: Client) => {
      await client.connect()
      await client.query('begin')
      await client.query(
        `select set_config('app.org', $1, true), set_config('app.facilities', 'all', true),
           set_config('app.purpose', 'race', true), set_config('app.actor', 'test', true)`,
        [String(orgs[0])],
      )
      try {
        await createPatient(client, vault, { number: 'TWIN-1' })
        await client.query('commit')
      } finally {
        await client.end()
      }
    }
    const outcomes = await Promise.allSettled(clients.map(enter))
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'CONFLICT' } })
  })

  it('is refused with every problem at once, and without what was written', async () => {
    const { api, vault } = hospital
    const input = { label: '', name: `${NAME}\u0007`, age: 3 } as object
    const error = await api((client) => createPatient(client, vault, input)).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: 'INPUT_INVALID', details: { errors: { length: 3 } } })
    expect(String(error)).not.toContain('Canary')
  })
})

describe('somebody of the staff', () => {
  it('is kept, found, changed and listed as patients are, in numbers of their own', async () => {
    const { api, vault } = hospital
    const { id } = await api((client) => createStaff(client, vault, { group: 'nurse', name: NAME, number: NUMBER }))
    expect(await api((client) => findStaff(client, vault, { number: NUMBER.toLowerCase() }))).toBe(id)
    expect(await api((client) => findPatient(client, vault, { number: NUMBER }))).not.toBe(id)
    await api((client) => changeStaff(client, vault, { id, rowVersion: 1, group: 'physician' }))
    const stale = await api((client) => changeStaff(client, vault, { id, rowVersion: 1, group: 'other' }))
    expect(stale).toMatchObject({ isStale: true, current: { group: 'physician' } })
    const members = await api((client) => listStaff(client, vault, { limit: 10 }))
    expect(members).toMatchObject([{ id, group: 'physician', name: NAME, number: NUMBER }])
    const twin = api((client) => createStaff(client, vault, { group: 'nurse', name: 'Other', number: NUMBER }))
    await expect(twin).rejects.toMatchObject({ code: 'CONFLICT' })
  })
})

describe("people's data", () => {
  it('answers nobody without a purpose, neither the functions nor the tables', async () => {
    const { api, vault } = hospital
    const silent = { purpose: '' }
    const asked = api((client) => listPatients(client, vault, { limit: 1 }), silent)
    await expect(asked).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
    for (const table of ['patient', 'staff', 'consent', 'encounter', 'bed_stay', 'round']) {
      const { rowCount } = await api(
        (client) => client.query(`select id from care.${table === 'round' ? 'round_plan' : table}`),
        silent,
      )
      expect(rowCount).toBe(0)
    }
    const [patient] = await hospital.all('select id from care.patient limit 1')
    const read = await api(
      (client) => client.query('select * from care.read_patients($1)', [[patient?.['id']]]),
      silent,
    )
    expect(read.rowCount).toBe(0)
  })

  it('is not to be read past the function that enters the reading into the audit chain', async () => {
    const direct = hospital.api((client) => client.query('select name_env from care.patient'))
    await expect(direct).rejects.toMatchObject({ code: '42501' })
    const keys = hospital.api((client) => client.query('select key_env from care.person_key'))
    await expect(keys).rejects.toMatchObject({ code: '42501' })
  })

  it('has every reading of a person in the audit chain, with who and why', async () => {
    const { api, vault } = hospital
    const { id } = await api((client) => createPatient(client, vault, {}))
    await api((client) => readPatient(client, vault, id), { purpose: 'question of the family', actor: 'account:7' })
    await api((client) => listPatients(client, vault, { limit: 200 }))
    const events = await hospital.all(
      `select actor, purpose from audit.event where kind = 'access' and action = 'read' and object_id = $1 order by n`,
      id,
    )
    expect(events).toEqual([
      { actor: 'account:7', purpose: 'question of the family' },
      { actor: 'test', purpose: 'test of care' },
    ])
  })

  it('is invisible to another organisation, whose own keys are its own, and does not exist for it by id', async () => {
    const { api, vault, orgs } = hospital
    const other = { org: orgs[1] }
    const [foreign] = await hospital.all('select id from care.patient limit 1')
    await expect(api((client) => readPatient(client, vault, String(foreign?.['id'])), other)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    await expect(api((client) => readStaffMember(client, vault, randomUUID()), other)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    await api((client) => createPatient(client, vault, { name: NAME, number: NUMBER }), other)
    const [mine] = await api((client) => listPatients(client, vault, { limit: 9 }), other)
    expect(mine?.name).toBe(NAME)
    const [count] = await hospital.all(
      `select count(distinct number_index)::int as indexes, count(*)::int as n from care.patient p
       where label in (select label from care.patient where org_id = $1) or number_index is not null and org_id = $2`,
      orgs[1],
      orgs[0],
    )
    expect(count?.['indexes']).toBe(count?.['n'])
  })

  it('is held by row security in every table, and the database is asked by an index', async () => {
    const { api, orgs } = hospital
    const tables = ['person_key', 'patient', 'staff', 'consent', 'encounter', 'bed_stay', 'round', 'round_plan']
    for (const table of ['iam.data_key', ...tables.map((name) => `care.${name}`)]) {
      const foreign = await api((client) => client.query(`select org_id from ${table} where org_id = $1`, [orgs[0]]), {
        org: orgs[1],
      })
      expect(foreign.rowCount).toBe(0)
    }
    const plan = await api(async (client) => {
      await client.query('set local enable_seqscan = off')
      const { rows } = await client.query({
        text: `explain select id from care.patient where org_id = (select iam.current_org()) and number_index = '\\x00'`,
        rowMode: 'array',
      })
      return rows.join('\n')
    })
    expect(plan).toMatch(/Index Scan using patient_org_id_number_index_key/)
    expect(plan).toMatch(/Index Cond: .*number_index/)
  })

  it('stands nowhere in the database in clear text', async () => {
    const tables = await hospital.all(
      `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p') and not c.relispartition and n.nspname in ('iam', 'care', 'rtls', 'audit', 'telemetry')`,
    )
    expect(tables.map(({ name }) => name)).toEqual(expect.arrayContaining(['care.patient', 'audit.event']))
    let everything = ''
    for (const { name } of tables) {
      const rows = await hospital.all(`select t::text as row from ${String(name)} as t`)
      everything += rows.map(({ row }) => row).join('\n')
    }
    expect(everything).toContain('test of care')
    for (const planted of [
      'Canary',
      '987654321',
      Buffer.from(NAME).toString('hex'),
      Buffer.from(NUMBER).toString('hex'),
    ]) {
      expect(everything).not.toContain(planted)
    }
  })
})

describe('the lists', () => {
  it.each([
    ['care.staff', 'staff_group', STAFF_GROUPS],
    ['care.round_plan', 'staff_group', STAFF_GROUPS],
    ['care.consent', 'scope', CONSENT_SCOPES],
    ['care.consent', 'basis', CONSENT_BASES],
    ['iam.data_key', 'purpose', KEY_PURPOSES],
  ])('of %s.%s equals what the database checks', async (table, column, list) => {
    const rows = await hospital.all(
      `select pg_get_constraintdef(oid) as text from pg_constraint where conrelid = $1::regclass and contype = 'c'
         and pg_get_constraintdef(oid) like '%' || $2 || ' = ANY%'`,
      table,
      column,
    )
    expect([...String(rows[0]?.['text']).matchAll(/'([a-z_]+)'/g)].map((match) => match[1])).toEqual([...list])
  })
})
