import { randomUUID } from 'node:crypto'

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { importAdmissions } from './admissions.ts'
import { assignTag, recordConsent } from './consents.ts'
import { admit, discharge, listInpatients, transfer, voidEncounter } from './encounters.ts'
import { erasePerson, leaveStaff, purgePeople } from './erasure.ts'
import { createPatient, readPatient } from './patients.ts'
import { createStaff, readStaffMember } from './staff.ts'
import { createTestHospital, type TestHospital } from './test-hospital.ts'

const TAG = 'ble:c30000000001'
const DAY = '2026-03-01'
const at = (time: string) => `${DAY}T${time}:00Z`

let hospital: TestHospital
let patientId: string

beforeAll(async () => {
  hospital = await createTestHospital()
})
afterAll(() => hospital.stop())
beforeEach(async () => {
  await hospital.all(
    `begin; set local session_replication_role = replica; truncate care.bed_stay, care.encounter, rtls.tag_assignment,
       care.consent, rtls.position, telemetry.sensor_reading, telemetry.rollup_due, audit.legal_hold cascade; commit`,
  )
  patientId = (await hospital.api((client) => createPatient(client, hospital.vault, {}))).id
})

const consent = (wish: object = {}) =>
  hospital.api((client) =>
    recordConsent(client, { patientId, scope: 'location', basis: 'consent', from: at('06:00'), ...wish }),
  )
const assign = (wish: object = {}) =>
  hospital.api((client) => assignTag(client, { patientId, tag: TAG, from: at('07:00'), ...wish }))
const assignments = () => hospital.all('select from_t, to_t, reason from rtls.tag_assignment order by from_t')

const enter = (wish: object = {}) =>
  hospital.api((client) =>
    admit(client, { patientId, facility: 'main', room: 'r1', bed: 'a', at: at('08:00'), ...wish }),
  )
const inpatients = (scope?: object) =>
  hospital.api((client) => listInpatients(client, hospital.vault, { facility: 'main' }), scope)

describe('an encounter', () => {
  it('goes from admission over a transfer to discharge, which takes the tag off', async () => {
    await consent()
    await assign()
    const { id } = await enter()
    expect(await inpatients()).toMatchObject([{ encounterId: id, patientId, room: 'r1', bed: 'a', label: /^P-/ }])
    await hospital.api((client) => transfer(client, { id, room: 'r2', bed: 'b', at: at('09:00') }))
    expect(await inpatients()).toMatchObject([{ room: 'r2', bed: 'b', since: new Date(at('09:00')) }])
    await hospital.api((client) => discharge(client, { id, at: at('10:00') }))
    expect(await inpatients()).toEqual([])
    expect(await assignments()).toMatchObject([{ to_t: new Date(at('10:00')), reason: 'discharged' }])
    const stays = await hospital.all('select from_t, to_t from care.bed_stay order by from_t')
    expect(stays).toEqual([
      { from_t: new Date(at('08:00')), to_t: new Date(at('09:00')) },
      { from_t: new Date(at('09:00')), to_t: new Date(at('10:00')) },
    ])
    await expect(hospital.api((client) => discharge(client, { id }))).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  it('is refused in a bed that is taken, closed or unknown, twice at once, in the future, and elsewhere than its bed', async () => {
    await enter()
    await expect(enter({ room: undefined, bed: undefined })).rejects.toMatchObject({ message: /in the house already/ })
    const { id: other } = await hospital.api((client) => createPatient(client, hospital.vault, {}))
    await expect(enter({ patientId: other })).rejects.toMatchObject({ code: 'CONFLICT', message: /lies in that bed/ })
    await expect(enter({ patientId: other, bed: 'x' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(enter({ patientId: other, bed: undefined })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(enter({ patientId: other, bed: 'b', at: '2999-01-01T00:00:00Z' })).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    await expect(enter({ patientId: other, facility: 'east' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await hospital.all(
      `begin; set local session_replication_role = replica; update site.bed set state = 'closed' where code = 'b'; commit`,
    )
    await expect(enter({ patientId: other, bed: 'b' })).rejects.toMatchObject({ message: /closed/ })
    await hospital.all(
      `begin; set local session_replication_role = replica; update site.bed set state = 'open'; commit`,
    )
  })

  it('moves forward in time only', async () => {
    const { id } = await enter()
    const move = (time: string) =>
      hospital.api((client) => transfer(client, { id, room: 'r2', bed: 'a', at: at(time) }))
    await expect(move('08:00')).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(move('07:00')).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(hospital.api((client) => discharge(client, { id, at: at('07:00') }))).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    await move('08:01')
  })

  it('that was entered in error is voided, and its bed is free again', async () => {
    const { id } = await enter()
    await hospital.api((client) => voidEncounter(client, id))
    expect(await inpatients()).toEqual([])
    await enter()
    await expect(hospital.api((client) => voidEncounter(client, id))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('is seen in its own house and organisation only', async () => {
    const { id } = await enter()
    const [main, west] = hospital.houses
    expect(await inpatients({ facilities: `{${main}}` })).toHaveLength(1)
    await expect(inpatients({ facilities: `{${west}}` })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await inpatients({ org: hospital.orgs[1] })).toEqual([])
    const foreign = [{ facilities: `{${west}}` }, { org: hospital.orgs[1] }]
    for (const scope of foreign) {
      await expect(hospital.api((client) => discharge(client, { id }), scope)).rejects.toMatchObject({
        code: 'NOT_FOUND',
      })
    }
  })
})

describe('a file of admissions', () => {
  const header = 'event;time;record_number;name;facility;room;bed'
  const load = (lines: string[], dryRun = false) =>
    hospital.api((client) =>
      importAdmissions(client, hospital.vault, { text: [`\uFEFF${header}`, ...lines].join('\r\n'), dryRun }),
    )
  const number = () => `F-${randomUUID()}`

  it('admits, transfers and discharges, and enters patients who are new', async () => {
    const [a, b] = [number(), number()]
    const lines = [
      `admit;${at('08:00')};${a};"Doe; Jane ""J""";main;r1;a`,
      `admit;${at('08:05')};${b};;main;r1;b`,
      `transfer;${at('09:00')};${a};;;r2;a`,
      '',
      `discharge;${at('10:00')};${b};;;;`,
    ]
    const expected = { rows: 4, admit: 2, transfer: 1, discharge: 1, created: 2 }
    expect(await load(lines, true)).toEqual(expected)
    expect(await inpatients()).toEqual([])
    expect(await load(lines)).toEqual(expected)
    const [row] = await inpatients()
    expect(row).toMatchObject({ room: 'r2', bed: 'a' })
    const patient = await hospital.api((client) => readPatient(client, hospital.vault, row?.patientId ?? ''))
    expect(patient).toMatchObject({ name: 'Doe; Jane "J"', number: a })
  })

  it('is refused as a whole with the error of every row, none of which repeats a value', async () => {
    const a = number()
    const lines = [
      `admit;${at('08:00')};${a};Canary;main;r1;a`,
      `admit;${at('08:30')};${number()};Canary;main;r1;a`,
      `fly;${at('09:00')};${a};;;;`,
      `transfer;noon;${a};;;r2;a`,
      `discharge;${at('09:00')};${number()};;;;`,
      `admit;${at('09:00')};;;main;;`,
      `admit;;${number()};;main;;`,
    ]
    const error = await load(lines).catch((cause: unknown) => cause)
    expect(error).toMatchObject({
      code: 'INPUT_INVALID',
      details: {
        errors: [
          { row: 3, code: 'CONFLICT' },
          { row: 4, column: 'event' },
          { row: 5, code: 'INPUT_INVALID' },
          { row: 6, code: 'NOT_FOUND' },
          { row: 7, code: 'INPUT_INVALID' },
          { row: 8, column: 'time', code: 'MISSING' },
        ],
      },
    })
    expect(JSON.stringify(error) + String(error)).not.toContain('Canary')
    expect(await inpatients()).toEqual([])
  })

  it.each([
    ['', 1, 'MISSING'],
    ['event,time,record_number\nadmit', 2, 'FORMAT'],
    ['event,time,colour\n', 1, 'UNKNOWN'],
    ['event,event,time,label', 1, 'DUPLICATE'],
    ['event,time,label\nadmit,"x,1', 2, 'FORMAT'],
    ['event,time,label\nadmit,\uFFFD,1', 1, 'FORMAT'],
  ])('is refused as %j', async (text, row, code) => {
    const loaded = hospital.api((client) => importAdmissions(client, hospital.vault, { text, dryRun: false }))
    await expect(loaded).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      details: { errors: expect.arrayContaining([expect.objectContaining({ row, code })]) },
    })
  })
})

describe('erasure', () => {
  const erase = (id = patientId) =>
    hospital.api((client) => erasePerson(client, { table: 'care.patient', id, reason: 'asked for' }))
  const age = (table: string, column: string, days: number) =>
    hospital.all(
      `begin; set local session_replication_role = replica;
       update care.${table} set ${column} = now() - interval '${days} days' where ${column} is not null; commit`,
    )

  it('destroys the key, so that an old copy of the row opens no more, and takes the tag off', async () => {
    const { api, vault } = hospital
    const { id } = await api((client) => createPatient(client, vault, { name: 'Eve', number: 'ERASE-1' }))
    await consent({ patientId: id })
    await assign({ patientId: id })
    const [copy] = await hospital.all('select name_env from care.patient where id = $1', id)
    await erase(id)
    expect(await api((client) => readPatient(client, vault, id))).toMatchObject({
      label: null,
      name: null,
      number: null,
    })
    expect(await assignments()).toMatchObject([{ reason: 'consent withdrawn' }])
    await hospital.all('begin')
    await hospital.all(`set local session_replication_role = replica`)
    await hospital.all(
      `update care.patient set erased_at = null, label = 'x', name_env = $1 where id = $2`,
      copy?.['name_env'],
      id,
    )
    await hospital.all('commit')
    expect((await api((client) => readPatient(client, vault, id))).name).toBe(null)
    await expect(erase(randomUUID())).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('leaves no pseudonym behind, not in the audit chain either', async () => {
    const { api, vault } = hospital
    const { id } = await api((client) => createPatient(client, vault, { label: 'Written by mistake' }))
    await erase(id)
    const events = await hospital.all('select e::text as text from audit.event e where object_id = $1', id)
    expect(events.length).toBeGreaterThan(2)
    expect(JSON.stringify(events)).not.toContain('mistake')
  })

  it('is refused while the patient is in the house, and under a legal hold', async () => {
    const { id } = await enter()
    await expect(erase()).rejects.toMatchObject({ code: 'CONFLICT', message: /in the house/ })
    await hospital.api((client) => discharge(client, { id, at: at('09:00') }))
    await hospital.api((client) =>
      client.query(`insert into audit.legal_hold (org_id, reason, from_t) values ($1, 'court', now())`, [
        hospital.orgs[0],
      ]),
    )
    await expect(erase()).rejects.toMatchObject({ code: 'CONFLICT', message: /hold/ })
    expect(await hospital.jobs(purgePeople)).toMatchObject({ held: true, patients: 0 })
  })

  it('comes by itself 30 days after the last encounter ended, and not before', async () => {
    const { api, jobs, vault } = hospital
    const { id } = await enter()
    await age('patient', 'created_at', 90)
    await age('encounter', 'admitted_at', 80)
    await jobs(purgePeople)
    expect((await api((client) => readPatient(client, vault, patientId))).erasedAt).toBe(null)
    await api((client) => discharge(client, { id }))
    await age('encounter', 'discharged_at', 29)
    expect(await jobs(purgePeople)).toMatchObject({ patients: 0 })
    await age('encounter', 'discharged_at', 31)
    expect(await jobs(purgePeople)).toMatchObject({ patients: 1, encounters: 1 })
    expect((await api((client) => readPatient(client, vault, patientId))).erasedAt).toEqual(expect.any(Date))
    expect(await jobs(purgePeople)).toMatchObject({ patients: 0, encounters: 0 })
  })

  it('of staff comes 30 days after they left; the tag comes off at once', async () => {
    const { api, jobs, vault } = hospital
    const { id } = await api((client) => createStaff(client, vault, { group: 'nurse', name: 'Nina' }))
    const agreement = { staffId: id, patientId: undefined, basis: 'contract', documentRef: 'works agreement 7' }
    await consent(agreement)
    await assign({ staffId: id, patientId: undefined })
    await api((client) => leaveStaff(client, id))
    expect(await assignments()).toMatchObject([{ to_t: expect.any(Date) }])
    expect(await jobs(purgePeople)).toMatchObject({ staff: 0 })
    await age('staff', 'left_at', 31)
    expect(await jobs(purgePeople)).toMatchObject({ staff: 1 })
    expect(await api((client) => readStaffMember(client, vault, id))).toMatchObject({ name: null, group: 'nurse' })
  })
})
