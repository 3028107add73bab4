import type { GatewayId } from '@biotrakr/shared'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { retryQuarantine } from './replay.ts'
import { createTestLedger, fix, GATEWAYS, noCompression, run, type TestLedger, testClock } from './test-ledger.ts'
import type { Run } from './transaction.ts'

const [A] = GATEWAYS as [GatewayId]

describe('a stream, for those who derive from it', () => {
  let ledger: TestLedger
  beforeAll(async () => {
    ledger = await createTestLedger()
  })
  afterAll(() => ledger.stop())
  const record = (...runs: Run[]) => ledger.recorder().record(runs)

  it('says since when and from which number on there is something new, also of what a retry stores later', async () => {
    const atMs = Date.now() - 60_000
    const marks = () =>
      ledger.column(
        `select json_build_array(round(extract(epoch from dirty_from) * 1000), dirty_seq) from rtls.watermark`,
      )
    await record(run(A, 1, [fix(1, atMs), fix(1, atMs + 1_000)]))
    expect(await marks()).toEqual([[atMs, 1]])
    await record(run(A, 3, [fix(1, atMs - 5_000), fix(32, atMs - 9_000)]))
    expect(await marks()).toEqual([[atMs - 5_000, 1]])
    await ledger.column('update rtls.watermark set dirty_from = null, dirty_seq = null')
    await ledger.database.ownerClient.query(`insert into rtls.tag (org_id, identity) values (1, 'dataset:t32')`)
    await retryQuarantine('all', { pool: ledger.pool, clock: testClock, compression: noCompression })
    expect(await marks()).toEqual([[atMs - 9_000, 4]])
  })
})
