import { nodeCompression } from '@biotrakr/agent'
import { decodeBatch, encodeBatch, formatEpoch, type GatewayId } from '@biotrakr/shared'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import {
  type LedgerBench,
  openStoreOnDisk,
  type RunOf,
  recordAt,
  type StoreOnDisk,
  startLedgerBench,
  type TestRecorder,
} from './ledger-bench.ts'

/** Times of the stored records by epoch, in the order of their numbers; what an image took away may be missing. */
interface Model {
  readonly epochs: Map<string, { atMs: number; mayMiss: boolean }[]>
  /** Not durable yet. */
  open: number[]
  /** Number of records in each epoch when the image was taken. */
  image: ReadonlyMap<string, number>
  nextMs: number
}

interface Real {
  readonly gateway: GatewayId
  readonly store: StoreOnDisk
  readonly recorders: TestRecorder[]
  /** Batches on their way, as bytes. */
  network: Uint8Array[]
  acks: { readonly epoch: string; readonly hw: number }[]
  sentUpTo: { readonly epoch: string; readonly seq: number } | undefined
  backup: ReadonlyMap<string, number>
}

type Step = fc.AsyncCommand<Model, Real>

const GATEWAYS = Array.from({ length: 60 }, (_, i) => `gw-${i + 1}`)
let bench: LedgerBench
let used = 0

const step = (name: string, run: (model: Model, real: Real) => void | Promise<void>): Step => ({
  check: () => true,
  run: async (model, real) => run(model, real),
  toString: () => name,
})
const always = (name: string, run: Parameters<typeof step>[1]) => fc.constant(step(name, run))
const chosen = (name: string, most: number, run: (model: Model, real: Real, pick: number) => void | Promise<void>) =>
  fc.nat(most).map((pick) => step(`${name} ${pick}`, (model, real) => run(model, real, pick)))

/** The outbox commits by itself whenever its group is full. */
const GROUP = 200

function commit(model: Model, epoch: string, count: number): void {
  const records = model.epochs.get(epoch) ?? []
  model.epochs.set(epoch, records)
  records.push(...model.open.splice(0, count).map((atMs) => ({ atMs, mayMiss: false })))
}

function addRecords(model: Model, { store }: Real, count: number, kind: Parameters<typeof recordAt>[1]): void {
  for (let i = 0; i < count; i++) {
    model.open.push(++model.nextMs)
    store.outbox.append(recordAt(model.nextMs, kind))
    if (model.open.length === GROUP) commit(model, store.outbox.status().epoch, GROUP)
  }
}

function flush(model: Model, { store }: Real): void {
  store.outbox.flush()
  commit(model, store.outbox.status().epoch, model.open.length)
}

async function deliver(real: Real, batches: readonly Uint8Array[], recorder: number): Promise<void> {
  const runs = batches.map(runOf)
  const outcomes = await real.recorders[recorder % real.recorders.length]?.record(runs)
  for (const outcome of outcomes ?? []) {
    if (outcome.kind === 'recorded') real.acks.push({ epoch: formatEpoch(outcome.epoch), hw: outcome.hw })
  }
}

function runOf(bytes: Uint8Array): RunOf {
  const verdict = decodeBatch(bytes, nodeCompression)
  if (!verdict.ok) throw new Error(`an encoded batch cannot be read: ${verdict.code}`)
  const { records, ...run } = verdict.batch
  return { ...run, bytes, content: { ok: true, records } }
}

/** What an agent does with a welcome. */
async function greet({ store, gateway, recorders }: Real): Promise<void> {
  const { store: nonce, epoch: opening } = store.outbox.status()
  const held = store.outbox.held()
  const epochs = held.map(({ epoch, first, last }) => ({ epoch, first, last }))
  const greeting = await recorders[0]?.greet(gateway, { software: 'test', store: nonce, opening, epochs })
  if (!greeting?.ok) throw new Error(`the centre does not welcome its gateway: ${JSON.stringify(greeting)}`)
  for (const { epoch, hw } of greeting.epochs) {
    const mine = held.find((run) => run.epoch === epoch)
    if (!mine) continue
    if (hw > mine.acked) store.outbox.acknowledge(epoch, Math.min(hw, mine.last))
    if (hw < mine.acked) store.outbox.rewind(epoch, hw)
  }
}

function peekAndEncode(real: Real, after: Real['sentUpTo'], records: number): Uint8Array | undefined {
  const batch = real.store.outbox.peek(after, { records })
  if (!batch) return undefined
  real.sentUpTo = { epoch: formatEpoch(batch.epoch), seq: batch.last }
  return encodeBatch(batch, nodeCompression)
}

const kinds = ['fix', 'bulky', 'press'] as const
const append = (most: number) =>
  fc
    .tuple(fc.integer({ min: 1, max: most }), fc.constantFrom(...kinds))
    .map(([count, kind]) => step(`append ${count} ${kind}`, (model, real) => addRecords(model, real, count, kind)))

const send = fc.tuple(fc.integer({ min: 1, max: 300 }), fc.boolean()).map(([records, isNext]) =>
  step(`send ${records} from ${isNext ? 'where it stopped' : 'the oldest'}`, (_model, real) => {
    const bytes = peekAndEncode(real, isNext ? real.sentUpTo : undefined, records)
    if (bytes) real.network.push(bytes)
  }),
)

/** Any messages in any order, through either recorder; they stay on the network, or not; sessions may be cut meanwhile. */
const delivery = fc
  .record({
    picks: fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }),
    recorder: fc.nat(1),
    isKept: fc.boolean(),
    isCut: fc.nat(9).map((chance) => chance === 0),
  })
  .map(({ picks, recorder, isKept, isCut }) =>
    step(`deliver ${picks} by ${recorder}${isKept ? ', again later' : ''}${isCut ? ', cut' : ''}`, async (_m, real) => {
      const { network } = real
      if (network.length === 0) return
      const batches = picks.map((pick) => network[pick % network.length] as Uint8Array)
      if (!isKept) real.network = network.filter((bytes) => !batches.includes(bytes))
      const recorded = deliver(real, batches, recorder)
      if (isCut) await bench.endSessions()
      await recorded
    }),
  )

const drop = chosen('drop', 20, (_model, { network }, pick) => void network.splice(pick, 1))
const hearAck = chosen('hear ack', 20, (_model, { acks, store }, pick) => {
  const ack = acks[acks.length - 1 - pick]
  if (ack) store.outbox.acknowledge(ack.epoch, ack.hw)
})
const hello = always('hello', (_model, real) => greet(real))
const crash = always('crash', (model, { store }) => {
  model.open = []
  store.crash()
})
const restart = always('restart', (model, real) => {
  flush(model, real)
  real.store.restart()
})
const image = always('take an image', (model, real) => {
  flush(model, real)
  model.image = new Map([...model.epochs].map(([epoch, records]) => [epoch, records.length]))
  real.store.takeImage()
})
const restoreImage = always('restore the image', (model, { store }) => {
  model.open = []
  for (const [epoch, records] of model.epochs) {
    for (const record of records.slice(model.image.get(epoch) ?? 0)) record.mayMiss = true
  }
  store.restoreImage()
})
const newRecorder = always('kill a recorder', (_model, { recorders }) => {
  recorders.shift()?.stop()
  recorders.push(bench.recorder())
})
const backUp = always('back up', async (_model, real) => {
  real.backup = await bench.backUp(real.gateway)
})
const restoreBackup = always('restore the backup', async (_model, { gateway, backup }) => {
  await bench.endSessions()
  await bench.restore(gateway, backup)
})

const flushing = always('flush', flush)
const flow = [append(260), flushing, send, send, send, delivery, delivery, delivery, hearAck, hello, drop]
const faults = [crash, restart, newRecorder, image, restoreImage, backUp, restoreBackup]
const commands = fc.commands([...flow, ...flow, ...faults], { maxCommands: 60, size: 'max' })
/** More than the smallest store can hold, so that records give way, between two stretches of commands. */
const floods = fc.tuple(
  fc.commands(flow, { maxCommands: 12, size: 'max' }),
  fc.integer({ min: 17_000, max: 20_000 }),
  fc.commands([...flow, crash, restart, newRecorder], { maxCommands: 20, size: 'max' }),
)

/** Plain work to the end: hello, send, record, acknowledge. */
async function drain(model: Model, real: Real): Promise<void> {
  flush(model, real)
  real.network = []
  for (let round = 0; round < 20; round++) {
    await greet(real)
    real.sentUpTo = undefined
    for (let bytes = peekAndEncode(real, undefined, 1_000); bytes; bytes = peekAndEncode(real, real.sentUpTo, 1_000)) {
      await deliver(real, [bytes], 0)
    }
    if (real.store.outbox.status().unacknowledged === 0) return
  }
  throw new Error('the store is never emptied')
}

/** Every record that was durable is in the database once, as itself or within a gap. @returns how many are in gaps */
async function compare(model: Model, { gateway }: Real): Promise<number> {
  const places = new Map<string, (number | undefined)[]>()
  for (const { epoch, first, last, atMs } of await bench.held(gateway)) {
    for (let seq = first; seq <= last; seq++) {
      const place = `${epoch}/${seq}`
      places.set(place, [...(places.get(place) ?? []), atMs])
    }
  }
  let missing = 0
  for (const [epoch, records] of model.epochs) {
    records.forEach(({ atMs, mayMiss }, i) => {
      const found = places.get(`${epoch}/${i + 1}`)
      places.delete(`${epoch}/${i + 1}`)
      if (found === undefined && mayMiss) return
      expect(found, `record ${i + 1} of ${epoch}`).toHaveLength(1)
      if (found?.[0] === undefined) missing += 1
      else expect(found[0]).toBe(atMs)
    })
  }
  expect([...places.keys()]).toEqual([])
  return missing
}

async function inOneRun(work: (setup: () => { model: Model; real: Real }) => Promise<void>): Promise<number> {
  const gateway = GATEWAYS[used++ % GATEWAYS.length] as GatewayId
  const store = openStoreOnDisk(gateway)
  const model: Model = { epochs: new Map(), open: [], image: new Map(), nextMs: Date.now() - 3_600_000 }
  const recorders = [bench.recorder(), bench.recorder()]
  const real: Real = { gateway, store, recorders, network: [], acks: [], sentUpTo: undefined, backup: new Map() }
  try {
    await work(() => ({ model, real }))
    await drain(model, real)
    return await compare(model, real)
  } finally {
    for (const recorder of recorders) recorder.stop()
    store.remove()
  }
}

describe('the real store and the real transaction, moved as the model of the protocol moves', () => {
  beforeAll(async () => {
    bench = await startLedgerBench(GATEWAYS)
  }, 60_000)
  afterAll(() => bench?.stop())

  it('have every record once in the end, whatever is lost, repeated, cut, crashed and restored', async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (list) => {
        await inOneRun((setup) => fc.asyncModelRun(setup, list))
      }),
      { numRuns: 25, endOnFailure: true },
    )
  }, 300_000)

  it('have every record once or in a gap when the store overflows', async () => {
    let missing = 0
    await fc.assert(
      fc.asyncProperty(floods, async ([before, count, after]) => {
        missing += await inOneRun(async (setup) => {
          await fc.asyncModelRun(setup, before)
          const { model, real } = setup()
          addRecords(model, real, count, 'bulky')
          await fc.asyncModelRun(setup, after)
        })
      }),
      { numRuns: 3, endOnFailure: true },
    )
    expect(missing).toBeGreaterThan(0)
  }, 300_000)
})
