import type { GatewayId, LedgerRecord } from '@biotrakr/shared'
import { seqSpan } from '@biotrakr/shared'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Recorder } from './recorder.ts'
import { createTestLedger, fix, GATEWAYS, run, type TestLedger } from './test-ledger.ts'
import type { Run } from './transaction.ts'

const NOW = Date.now()

/** A record by what must become of it. */
type Kind = 'fix' | 'unknown' | 'gap' | 'opaque'

function recordOf(kind: Kind, index: number): LedgerRecord {
  if (kind === 'gap') return { kind: 'gap', count: 1 + (index % 4), reason: 'evicted', fromMs: 0, toMs: NOW }
  if (kind === 'opaque') return { kind: 'opaque', code: 60, bytes: Uint8Array.of(index & 0xff) }
  return fix(kind === 'fix' ? 1 + (index % 20) : 500, NOW - 50_000 + index)
}

interface Model {
  readonly records: readonly LedgerRecord[]
  /** Sequence number of each record. */
  readonly starts: readonly number[]
  hw: number
}

function modelOf(kinds: readonly Kind[]): Model {
  const records = kinds.map(recordOf)
  const starts: number[] = []
  let next = 1
  for (const record of records) {
    starts.push(next)
    next += seqSpan(record)
  }
  return { records, starts, hw: 0 }
}

const kinds = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.constant<Kind>('fix') },
    { weight: 1, arbitrary: fc.constantFrom<Kind>('unknown', 'gap', 'opaque') },
  ),
  { minLength: 1, maxLength: 30 },
)
/** A batch by gateway, place and length; places beyond the end fall back into the ledger. */
const cut = fc.record({
  gateway: fc.nat(2),
  from: fc.nat(29),
  length: fc.integer({ min: 1, max: 12 }),
  recorder: fc.nat(1),
})
const sets = fc.array(fc.array(cut, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 12 })

describe('any batches of any ledgers, cut, repeated and out of order', () => {
  let ledger: TestLedger
  beforeAll(async () => {
    ledger = await createTestLedger()
  })
  afterAll(() => ledger.stop())

  /** The batch that an agent would cut there. */
  function batchAt(model: Model, gateway: number, from: number, length: number): Run | undefined {
    const records = model.records.slice(from, from + length)
    const first = model.starts[from]
    return first === undefined ? undefined : run(GATEWAYS[gateway] as GatewayId, first, records)
  }

  /** What one transaction must do with the batches of one gateway: in sequence, only what connects. */
  function advance(model: Model, batches: readonly Run[]): void {
    for (const batch of [...batches].sort((a, b) => a.first - b.first)) {
      if (batch.first <= model.hw + 1) model.hw = Math.max(model.hw, batch.last)
    }
  }

  async function drain(models: readonly Model[], recorder: Recorder<Run>): Promise<void> {
    const rest = models.map((model, gateway) => batchAt(model, gateway, 0, model.records.length))
    const outcomes = await recorder.record(rest.filter((batch) => batch !== undefined))
    expect(outcomes?.every((outcome) => outcome.kind === 'recorded')).toBe(true)
  }

  async function compare(models: readonly Model[]): Promise<void> {
    for (const [gateway, model] of models.entries()) {
      const stream = `(select id from rtls.watermark where gateway_id = ${gateway + 1})`
      const committed = model.records
        .map((record, i) => ({ record, seq: model.starts[i] as number }))
        .filter(({ seq }) => seq <= model.hw)
      const seqsOf = (wanted: (record: LedgerRecord) => boolean) =>
        committed.filter(({ record }) => wanted(record)).map(({ seq }) => seq)
      const isKnown = (record: LedgerRecord) => record.kind === 'fix' && record.tag !== 'dataset:t500'
      expect(
        await ledger.column(`select seq::int from telemetry.location_history where stream_id = ${stream} order by 1`),
      ).toEqual(seqsOf(isKnown))
      expect(
        await ledger.column(`select first_seq::int from rtls.quarantine where stream_id = ${stream} order by 1`),
      ).toEqual(seqsOf((record) => !isKnown(record) && record.kind !== 'gap'))
      expect(await ledger.column(`select first_seq::int from rtls.gap where stream_id = ${stream} order by 1`)).toEqual(
        seqsOf((record) => record.kind === 'gap'),
      )
      const hw = await ledger.column(`select hw::int from rtls.watermark where gateway_id = ${gateway + 1}`)
      expect(hw[0] ?? 0).toBe(model.hw)
    }
  }

  it('leave in the database exactly what the model says, and each record once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.tuple(kinds, kinds, kinds), sets, async (ledgers, schedule) => {
        await ledger.database.ownerClient.query(
          'truncate rtls.watermark, rtls.gap, rtls.quarantine, rtls.position, telemetry.location_history cascade',
        )
        const models = ledgers.map(modelOf)
        const recorders = [ledger.recorder(), ledger.recorder()] as const
        for (const set of schedule) {
          const batches = set.flatMap(({ gateway, from, length, recorder }) => {
            const model = models[gateway] as Model
            const batch = batchAt(model, gateway, from % model.records.length, length)
            return batch ? [{ batch, gateway, recorder }] : []
          })
          const recorder = recorders[batches[0]?.recorder === 1 ? 1 : 0]
          await recorder.record(batches.map(({ batch }) => batch))
          for (const [gateway, model] of models.entries()) {
            advance(
              model,
              batches.filter((sent) => sent.gateway === gateway).map(({ batch }) => batch),
            )
          }
        }
        await compare(models)
        await drain(models, recorders[0])
        for (const model of models) {
          model.hw = (model.starts.at(-1) as number) + seqSpan(model.records.at(-1) as LedgerRecord) - 1
        }
        await compare(models)
      }),
      { numRuns: 40 },
    )
  })
})
