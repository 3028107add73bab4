import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { assignTag, recordConsent } from './consents.ts'
import { readStays } from './observations.ts'
import { createRoundPlan, deriveRounds, endRoundPlan, listRoundPlans, listRounds } from './rounds.ts'
import { createStaff } from './staff.ts'
import { createTestHospital, type TestHospital } from './test-hospital.ts'

const TAG = 'ble:c30000000001'
/** Summer in Berlin: local time is two hours ahead. */
const at = (time: string) => `2026-06-10T${time}:00.000Z`

let hospital: TestHospital
let nurse: string

beforeAll(async () => {
  hospital = await createTestHospital()
  const { api, vault } = hospital
  nurse = (await api((client) => createStaff(client, vault, { group: 'nurse', name: 'Nina' }))).id
  await api((client) =>
    recordConsent(client, {
      staffId: nurse,
      scope: 'location',
      basis: 'contract',
      documentRef: 'w',
      from: at('00:00'),
    }),
  )
  await api((client) => assignTag(client, { staffId: nurse, tag: TAG, from: at('00:00') }))
})
afterAll(() => hospital.stop())

const stay = (room: string, from: string, to: string) =>
  hospital.all(
    `insert into telemetry.stay (t, leave_t, org_id, facility_id, tag_id, room_id, stream_id, continued)
     select $1, $2, r.org_id, r.facility_id, t.id, r.id, 1, false from site.room r join rtls.tag t on t.org_id = r.org_id
     where r.facility_id = $3 and r.code = $4 and t.identity = $5`,
    at(from),
    at(to),
    hospital.houses[0],
    room,
    TAG,
  )
const derive = (now: string) => hospital.jobs((client) => deriveRounds(client, at(now)))
const rounds = (scope?: object) =>
  hospital.api((client) => listRounds(client, { facility: 'main', from: at('00:00'), to: at('23:59') }), scope)
const states = async () =>
  (await rounds()).map(({ dueAt, room, state }) => `${dueAt.toISOString().slice(11, 16)} ${room} ${state}`)

describe('rounds', () => {
  const plan = {
    facility: 'main',
    zone: 'ward',
    name: 'Ward, days',
    group: 'nurse',
    everyMin: 60,
    minPresenceS: 120,
  } as const

  it('are due in local time, done by presence that is long enough, and missed once the period has settled', async () => {
    await hospital.api((client) =>
      createRoundPlan(client, { ...plan, fromMinute: 600, toMinute: 720, from: at('00:00') }),
    )
    await stay('r1', '08:10', '08:15')
    await stay('r2', '08:20', '08:21')
    expect(await derive('09:05')).toBe(4)
    expect(await states()).toEqual(['09:00 r1 done', '09:00 r2 due', '10:00 r1 due', '10:00 r2 due'])
    expect(await derive('09:11')).toBe(1)
    expect(await derive('09:12')).toBe(0)
    expect(await states()).toEqual(['09:00 r1 done', '09:00 r2 missed', '10:00 r1 due', '10:00 r2 due'])
    expect((await rounds())[0]).toMatchObject({
      plan: 'Ward, days',
      doneAt: new Date(at('08:12')),
      staffId: nurse,
      presenceS: 300,
      evidence: { tag: TAG },
    })
  })

  it('that were missed become done when late data says so, and a stay counts in the period it reaches into', async () => {
    await stay('r2', '08:50', '09:04')
    await derive('10:20')
    expect(await states()).toEqual(['09:00 r1 done', '09:00 r2 done', '10:00 r1 missed', '10:00 r2 done'])
  })

  it('are not done by somebody of another group', async () => {
    await hospital.api((client) =>
      createRoundPlan(client, {
        ...plan,
        name: 'Doctors',
        group: 'physician',
        fromMinute: 600,
        toMinute: 660,
        from: at('00:00'),
      }),
    )
    await derive('10:20')
    const doctors = (await rounds()).filter((round) => round.plan === 'Doctors')
    expect(doctors.map(({ state }) => state)).toEqual(['missed', 'missed'])
  })

  it('are not due any more once their plan has ended, whose name stays taken', async () => {
    const [first] = await hospital.api(listRoundPlans)
    await hospital.api((client) => endRoundPlan(client, first?.id ?? ''))
    await expect(hospital.api((client) => endRoundPlan(client, first?.id ?? ''))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    await expect(hospital.api((client) => createRoundPlan(client, { ...plan, name: 'Doctors' }))).rejects.toMatchObject(
      {
        code: 'CONFLICT',
      },
    )
  })

  it('are seen with a purpose, in their house and organisation only', async () => {
    await expect(rounds({ purpose: '' })).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
    await expect(rounds({ facilities: `{${hospital.houses[1]}}` })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await rounds({ org: hospital.orgs[1] })).toEqual([])
    expect(await hospital.api(listRoundPlans, { org: hospital.orgs[1] })).toEqual([])
    expect(await hospital.api(listRoundPlans, { facilities: `{${hospital.houses[1]}}` })).toEqual([])
  })

  it.each([
    [{ zone: 'none' }, 'NOT_FOUND'],
    [{ everyMin: 5 }, 'INPUT_INVALID'],
    [{ fromMinute: 900, toMinute: 800 }, 'INPUT_INVALID'],
  ])('are refused with %j', async (wish, code) => {
    await expect(hospital.api((client) => createRoundPlan(client, { ...plan, ...wish }))).rejects.toMatchObject({
      code,
    })
  })
})

describe('the stays of a person', () => {
  const stays = (scope?: object) =>
    hospital.api((client) => readStays(client, { personId: nurse, from: at('00:00'), to: at('08:30') }), scope)

  it('are told for a purpose, within the period and the reach, and the asking is kept', async () => {
    expect(await stays()).toEqual([
      { tag: TAG, facility: 'main', room: 'r2', from: new Date(at('08:20')), to: new Date(at('08:21')) },
      { tag: TAG, facility: 'main', room: 'r1', from: new Date(at('08:10')), to: new Date(at('08:15')) },
    ])
    await expect(stays({ purpose: '' })).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
    expect(await stays({ facilities: `{${hospital.houses[1]}}` })).toEqual([])
    expect(await stays({ org: hospital.orgs[1] })).toEqual([])
    const events = await hospital.all(`select from audit.event where action = 'history' and object_id = $1`, nurse)
    expect(events).toHaveLength(2)
  })
})
