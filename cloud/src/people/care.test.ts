import { randomUUID } from 'node:crypto'

import { SENSOR } from '@biotrakr/shared'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { assignTag, listConsents, recordConsent, removeTags, withdrawConsent } from './consents.ts'
import { locatePerson, readVitalSigns } from './observations.ts'
import { createPatient } from './patients.ts'
import { createTestHospital, type TestHospital } from './test-hospital.ts'

const TAG = 'ble:c30000000001'
const OTHER_TAG = 'ble:c30000000002'
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

describe("a person's tag", () => {
  it('is refused without a consent, before it, after it, and for a consent to something else', async () => {
    const refused = { code: 'CONFLICT', message: expect.stringContaining('consent') }
    await expect(assign()).rejects.toMatchObject(refused)
    await consent({ scope: 'sensor' })
    await expect(assign()).rejects.toMatchObject(refused)
    await consent({ from: at('08:00'), to: at('09:00') })
    await expect(assign()).rejects.toMatchObject(refused)
    await expect(assign({ from: at('09:00') })).rejects.toMatchObject(refused)
    expect(await assignments()).toEqual([])
  })

  it('is refused by the database itself, whatever program asks', async () => {
    const direct = hospital.api((client) =>
      client.query(
        `insert into rtls.tag_assignment (id, org_id, tag_id, patient_id, from_t)
         select $1, org_id, id, $2, now() from rtls.tag where identity = $3`,
        [randomUUID(), patientId, TAG],
      ),
    )
    await expect(direct).rejects.toMatchObject({ constraint: 'tag_assignment_consent' })
  })

  it('is worn until the consent ends', async () => {
    await consent({ to: at('20:00') })
    await assign()
    expect(await assignments()).toEqual([{ from_t: new Date(at('07:00')), to_t: new Date(at('20:00')), reason: null }])
  })

  it('comes off when the consent is withdrawn, unless another allows it', async () => {
    const first = await consent()
    const second = await consent({ basis: 'vital_interest' })
    await assign()
    await hospital.api((client) => withdrawConsent(client, first.id))
    expect(await assignments()).toMatchObject([{ to_t: null }])
    await hospital.api((client) => withdrawConsent(client, second.id))
    expect(await assignments()).toMatchObject([{ to_t: expect.any(Date), reason: 'consent withdrawn' }])
    await expect(hospital.api((client) => withdrawConsent(client, first.id))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    const known = await hospital.api((client) => listConsents(client, patientId))
    expect(known.map(({ withdrawnAt }) => withdrawnAt)).toEqual([expect.any(Date), expect.any(Date)])
  })

  it('is one tag of one person at a time', async () => {
    await consent()
    await assign()
    const other = await hospital.api((client) => createPatient(client, hospital.vault, {}))
    await consent({ patientId: other.id })
    await expect(assign({ patientId: other.id })).rejects.toMatchObject({ code: 'CONFLICT', message: /tag is worn/ })
    await expect(assign({ tag: OTHER_TAG })).rejects.toMatchObject({ code: 'CONFLICT', message: /another tag/ })
    await hospital.api((client) => removeTags(client, patientId))
    await expect(hospital.api((client) => removeTags(client, patientId))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await assign({ patientId: other.id, from: undefined })
  })

  it('is not seen by anybody who names no purpose', async () => {
    await consent()
    await assign()
    const count = async (purpose: string) =>
      (await hospital.api((client) => client.query('select from rtls.tag_assignment'), { purpose })).rowCount
    expect([await count('care'), await count('')]).toEqual([1, 0])
  })

  it.each([
    [{ tag: 'ble:c300000000ff' }, 'NOT_FOUND'],
    [{ patientId: '00000000-0000-4000-8000-000000000000' }, 'NOT_FOUND'],
    [{ staffId: '00000000-0000-4000-8000-000000000000' }, 'INPUT_INVALID'],
    [{ from: 'yesterday' }, 'INPUT_INVALID'],
  ])('is refused for %j', async (wish, code) => {
    await expect(assign(wish)).rejects.toMatchObject({ code })
  })
})

describe('a consent', () => {
  it.each([
    [{ basis: 'contract' }, '/documentRef'],
    [{ to: at('05:00') }, '/to'],
    [{ scope: 'all' }, '/scope'],
  ])('is refused as %j', async (wish, pointer) => {
    await expect(consent(wish)).rejects.toMatchObject({ code: 'INPUT_INVALID', details: { errors: [{ pointer }] } })
  })
})

describe('what a tag says of a person', () => {
  async function measure(tag: string, milli: number, time: string): Promise<void> {
    await hospital.all(
      `insert into telemetry.sensor_reading (t, org_id, facility_id, tag_id, stream_id, seq, kind, milli)
       select $1, org_id, $2, id, 1, 1, $3, $4 from rtls.tag where org_id = $5 and identity = $6`,
      at(time),
      hospital.houses[0],
      SENSOR.temperature,
      milli,
      hospital.orgs[0],
      tag,
    )
  }
  const vitals = (scope?: object) =>
    hospital.api((client) => readVitalSigns(client, { patientId, from: at('00:00'), to: at('23:59') }), scope)

  it('is a vital sign with LOINC and UCUM while it is worn at the body with a consent to that', async () => {
    await consent()
    await consent({ scope: 'sensor', from: at('08:00'), to: at('10:00') })
    await assign({ measuresBody: true })
    for (const [time, milli] of [
      ['06:30', 36_000],
      ['07:30', 36_500],
      ['08:30', 37_250],
      ['10:30', 38_000],
    ] as const) {
      await measure(TAG, milli, time)
    }
    await measure(OTHER_TAG, 21_000, '08:30')
    expect(await vitals()).toEqual([
      { at: new Date(at('08:30')), loinc: '8310-5', display: 'Body temperature', value: 37.25, ucum: 'Cel' },
    ])
    const [event] = await hospital.all(
      `select purpose from audit.event where action = 'vital_signs' and object_id = $1`,
      patientId,
    )
    expect(event).toEqual({ purpose: 'test of care' })
    await expect(vitals({ purpose: '' })).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
    await expect(vitals({ org: hospital.orgs[1] })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await vitals({ facilities: `{${hospital.houses[1]}}` })).toEqual([])
  })

  it('is no vital sign when the tag is only carried', async () => {
    await consent()
    await consent({ scope: 'sensor' })
    await assign()
    await measure(TAG, 22_000, '08:30')
    expect(await vitals()).toEqual([])
  })

  it('is where the person is, for whoever says why, and the asking is kept', async () => {
    await consent()
    await assign()
    await hospital.all(
      `insert into rtls.position (org_id, tag_id, facility_id, room_id, t, since, method, reason, confidence, stream_id, seq, map_version)
       select t.org_id, t.id, r.facility_id, r.id, $1, $1, 2, 0, 900, 1, 1, 1 from rtls.tag t, site.room r
       where t.identity = $2 and t.org_id = $3 and r.facility_id = $4 and r.code = 'r2'`,
      at('08:00'),
      TAG,
      hospital.orgs[0],
      hospital.houses[0],
    )
    const locate = (scope?: object) => hospital.api((client) => locatePerson(client, patientId), scope)
    expect(await locate()).toMatchObject({ tag: TAG, facility: 'main', room: 'r2', confidence: 0.9 })
    await expect(locate({ purpose: '' })).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
    await expect(locate({ facilities: `{${hospital.houses[1]}}` })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(locate({ org: hospital.orgs[1] })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const events = await hospital.all(`select from audit.event where action = 'locate' and object_id = $1`, patientId)
    expect(events).toHaveLength(1)
  })
})
