import type { Fix, GatewayId, RoomId } from '@biotrakr/shared'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { createTestLedger, fix, GATEWAYS, run, type TestLedger } from './test-ledger.ts'
import type { Run } from './transaction.ts'

const [A, B] = GATEWAYS as [GatewayId, GatewayId]
/** Streams keep the order of their gateways, which decides between two that are equally new and sure. */
const EMPTY = `truncate rtls.watermark, rtls.position cascade;
  insert into rtls.watermark (org_id, gateway_id, epoch) select org_id, id, '1-00000000000000aa' from site.gateway order by id`

describe('the current position', () => {
  let ledger: TestLedger
  let nowMs: number

  beforeAll(async () => {
    ledger = await createTestLedger()
  })
  afterAll(() => ledger.stop())
  beforeEach(async () => {
    nowMs = Date.now() - 100_000
    await ledger.database.ownerClient.query('truncate rtls.watermark, rtls.position cascade')
  })

  const at = (seconds: number, room: string | null, other: Partial<Fix> = {}) =>
    fix(1, nowMs + seconds * 1_000, { room: room as RoomId | null, ...other })
  /** Every set by a recorder of its own, so that nothing is known from before. */
  const record = async (...sets: Run[][]) => {
    for (const set of sets) await ledger.recorder().record(set)
  }
  const position = async () => {
    const { rows } = await ledger.database.ownerClient.query<Record<string, Date | number | null>>(
      'select room_id, last_room_id, t, since, confidence from rtls.position',
    )
    const row = rows[0]
    if (!row) return undefined
    const seconds = (time: unknown) => (time instanceof Date ? (time.getTime() - nowMs) / 1_000 : undefined)
    return { room: row['room_id'], last: row['last_room_id'], t: seconds(row['t']), since: seconds(row['since']) }
  }

  it('keeps the time of arrival while the room stays the same', async () => {
    await record([run(A, 1, [at(1, 'R1'), at(2, 'R1')])], [run(A, 3, [at(3, 'R1')])])
    expect(await position()).toEqual({ room: 1, last: null, t: 3, since: 1 })
  })

  it('takes the first fix in the new room as the time of arrival, and keeps the room before', async () => {
    await record([run(A, 1, [at(1, 'R1')])], [run(A, 2, [at(2, 'R2'), at(3, 'R2')])])
    expect(await position()).toEqual({ room: 2, last: 1, t: 3, since: 2 })
    await record([run(A, 4, [at(4, 'R3'), at(5, 'R2')])])
    expect(await position()).toEqual({ room: 2, last: 3, t: 5, since: 5 })
  })

  it('forgets the room but not the last one when the tag is no longer found', async () => {
    await record([run(A, 1, [at(1, 'R1')])], [run(A, 2, [at(2, null, { reason: 'not_heard' })])])
    expect(await position()).toEqual({ room: null, last: 1, t: 2, since: 2 })
    await record([run(A, 3, [at(3, null, { reason: 'not_heard' })])])
    expect(await position()).toEqual({ room: null, last: 1, t: 3, since: 2 })
  })

  it('is the newest by event time, in whatever order two gateways deliver', async () => {
    const late = [run(A, 1, [at(1, 'R1'), at(4, 'R4')])]
    const early = [run(B, 1, [at(2, 'R2'), at(3, 'R3')])]
    await record(late, early)
    expect(await position()).toMatchObject({ room: 4, t: 4 })
    await ledger.database.ownerClient.query('truncate rtls.watermark, rtls.position cascade')
    await record(early, late)
    expect(await position()).toMatchObject({ room: 4, t: 4 })
    await ledger.database.ownerClient.query('truncate rtls.watermark, rtls.position cascade')
    await record([...late, ...early])
    expect(await position()).toMatchObject({ room: 4, t: 4 })
  })

  it('prefers the surer of two fixes of the same time', async () => {
    await record([run(A, 1, [at(1, 'R1', { confidence: 800 })])], [run(B, 1, [at(1, 'R2', { confidence: 700 })])])
    expect(await position()).toMatchObject({ room: 1 })
    await record([run(B, 2, [at(1, 'R3', { confidence: 900 })])])
    expect(await position()).toMatchObject({ room: 3 })
  })

  it('is not touched by a fix from the future, which is history all the same', async () => {
    await record([run(A, 1, [at(1, 'R1')])])
    const ahead = fix(1, Date.now() + 60_000, { room: 'R2' as RoomId })
    await record([run(A, 2, [ahead])])
    expect(await position()).toMatchObject({ room: 1, t: 1 })
    expect(await ledger.column('select hw::int from rtls.watermark')).toEqual([2])
  })

  it('is the same in whatever order and sets the records of three gateways come', async () => {
    const heard = fc.record({
      gateway: fc.nat(2),
      seconds: fc.nat(3),
      room: fc.constantFrom('R1', 'R2', 'R3', null),
      confidence: fc.constantFrom(500, 900),
    })
    const cases = fc.tuple(fc.array(heard, { minLength: 3, maxLength: 12 }), fc.infiniteStream(fc.nat(5)))
    await fc.assert(
      fc.asyncProperty(cases, async ([all, choices]) => {
        const lanes = [0, 1, 2].map((of) =>
          all
            .filter(({ gateway }) => gateway === of)
            .map(({ seconds, room, confidence }, i) =>
              run(GATEWAYS[of] as GatewayId, i + 1, [at(seconds, room, { confidence })]),
            ),
        )
        const winner = async () =>
          ledger.column(`select json_build_array(p.room_id, p.t, p.confidence, g.name, p.seq) from rtls.position p
            join rtls.watermark w on w.id = p.stream_id join site.gateway g on g.id = w.gateway_id`)
        await ledger.database.ownerClient.query(EMPTY)
        await ledger.recorder().record(lanes.flat())
        const whole = await winner()
        await ledger.database.ownerClient.query(EMPTY)
        const recorder = ledger.recorder()
        const waiting = lanes.map((lane) => [...lane])
        while (waiting.some((lane) => lane.length > 0)) {
          const [pick = 0, size = 0] = [...choices.take(2)]
          const lane = waiting[pick % 3] ?? []
          await recorder.record(lane.splice(0, 1 + (size % 2)))
        }
        expect(await winner()).toEqual(whole)
      }),
      { numRuns: 15 },
    )
  })

  it('is the same whether or not the recorder remembers what it stored', async () => {
    const recorder = ledger.recorder()
    for (const [i, seconds] of [5, 3, 5, 4, 6].entries()) {
      await recorder.record([run(A, i + 1, [at(seconds, `R${i + 1}`, { confidence: 100 * (i + 1) })])])
    }
    expect(await position()).toMatchObject({ room: 5, t: 6 })
  })
})
