import type { GatewayId, TagId } from '@biotrakr/shared'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { createVault } from './people/keyring.ts'
import { createPeopleDesk } from './people.ts'
import { createTestLedger, run, type TestLedger } from './record/test-ledger.ts'
import { setScope } from './tenancy/scope.ts'

let ledger: TestLedger
let api: Client
beforeAll(async () => {
  ledger = await createTestLedger()
  api = new Client(ledger.database.options('bt_api'))
  await api.connect()
})
afterAll(async () => {
  await api.end()
  await ledger.stop()
})

describe('a record of a gateway', () => {
  it('becomes the body temperature of the patient who wore the sensor then, and of nobody else', async () => {
    const nowMs = Date.now()
    const at = (beforeMs: number) => new Date(nowMs - beforeMs).toISOString()
    const desk = createPeopleDesk(createVault(['0f'.repeat(32)]))
    await api.query('begin')
    await setScope(api, { orgId: 1, facilities: 'all', actor: 'test', purpose: 'care' })
    const { id } = await desk.patients.create(api, {})
    for (const scope of ['location', 'sensor']) {
      await desk.consents.record(api, { patientId: id, scope, basis: 'consent', from: at(60_000) })
    }
    await desk.patients.assignTag(api, id, { tag: 'dataset:t1', from: at(60_000), measuresBody: true })
    await api.query('commit')

    const reading = (tag: string, milli: number, sensor: 'temperature' | 'humidity' = 'temperature') =>
      ({ kind: 'sensor', tag: tag as TagId, room: null, sensor, milli, atMs: nowMs - 1_000 }) as const
    await ledger
      .recorder()
      .record([
        run('gw-a' as GatewayId, 1, [
          reading('dataset:t1', 37_125),
          reading('dataset:t1', 40_000, 'humidity'),
          reading('dataset:t2', 21_000),
        ]),
      ])

    await api.query('begin')
    await setScope(api, { orgId: 1, facilities: 'all', actor: 'test', purpose: 'care' })
    const signs = await desk.vitalSigns(api, id, { from: at(60_000), to: at(0) })
    await api.query('commit')
    expect(signs).toEqual([
      { at: new Date(nowMs - 1_000), loinc: '8310-5', display: 'Body temperature', value: 37.125, ucum: 'Cel' },
    ])
  })
})
