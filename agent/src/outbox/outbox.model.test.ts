import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'

import { type LedgerRecord, seqSpan } from '@biotrakr/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createMemoryOutbox } from './memory-outbox.ts'
import { bulkyFixAt, fixAt, GATEWAY, optionsIn, pressAt, START_MS } from './outbox.fixtures.ts'
import { readAll } from './outbox.laws.ts'
import type { LostRun, Outbox } from './outbox.ts'
import { openSqliteOutbox } from './sqlite-outbox.ts'

/** What an outbox should hold, kept in the plainest way: every epoch a list, sequence number n at place n - 1. */
interface Model {
  readonly epochs: Map<string, { records: LedgerRecord[]; acked: number }>
  open: LedgerRecord[]
  next: number
}

interface Real {
  outbox: Outbox
  readonly lost: LostRun[]
  readonly reopen: (() => Outbox) | undefined
}

type Step = fc.Command<Model, Real>

function current({ epochs }: Model): { records: LedgerRecord[]; acked: number } {
  const epoch = [...epochs.values()].at(-1)
  if (!epoch) throw new Error('the model has no epoch')
  return epoch
}

function commit(model: Model, count: number): void {
  current(model).records.push(...model.open.splice(0, count))
}

/** Every number that is not acknowledged is there exactly once: as the record it was, or in a gap that was reported. */
function compare({ epochs }: Model, { outbox, lost }: Real): void {
  const missing = new Set(
    lost.flatMap(({ epoch, first, last }) => numbers(first, last).map((seq) => `${epoch}/${seq}`)),
  )
  const held = new Map(outbox.held().map((run) => [run.epoch, run]))
  for (const [epoch, { records, acked }] of epochs) {
    if (acked === records.length) continue
    expect(held.get(epoch)).toMatchObject({ last: records.length, acked })
    const read = readAll(outbox, { after: { epoch, seq: acked }, records: 700 })
    let seq = acked + 1
    for (const { seq: at, record } of read) {
      if (seq > records.length) break
      expect(at).toBe(seq)
      const names = numbers(seq, seq + seqSpan(record) - 1).map((n) => `${epoch}/${n}`)
      if (record.kind === 'gap') expect(names.every((name) => missing.has(name))).toBe(true)
      else if (!isDeepStrictEqual(record, records[seq - 1])) expect(record).toEqual(records[seq - 1])
      seq += seqSpan(record)
    }
    expect(seq).toBe(records.length + 1)
  }
}

function numbers(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

function step(name: string, run: (model: Model, real: Real) => void): Step {
  return {
    check: () => true,
    run(model, real) {
      run(model, real)
      compare(model, real)
    },
    toString: () => name,
  }
}

const makers: Readonly<Record<string, (i: number) => LedgerRecord>> = { fixAt, bulkyFixAt, pressAt }

/** Events never give way: an outbox full of them takes nothing more, which the laws test and this model does not know. */
const MOST_EVENTS = 400

function eventsHeld({ epochs, open }: Model): number {
  const waiting = [...epochs.values()].flatMap(({ records, acked }) => records.slice(acked))
  return [...waiting, ...open].filter(({ kind }) => kind === 'event').length
}

const append = (largest: number) =>
  fc.tuple(fc.integer({ min: 1, max: largest }), fc.constantFrom(...Object.keys(makers))).map(([count, maker]) =>
    step(`append ${count} ${maker}`, (model, real) => {
      const room = MOST_EVENTS - eventsHeld(model)
      for (let i = 0; i < count; i++) {
        const isTooMany = maker === 'pressAt' && i >= room
        const record = makers[isTooMany ? 'fixAt' : maker]?.(model.next++) ?? fixAt(0)
        model.open.push(record)
        real.outbox.append(record)
        if (model.open.length === 200) commit(model, 200)
      }
    }),
  )
const flush = fc.constant(
  step('flush', (model, real) => {
    real.outbox.flush()
    commit(model, model.open.length)
  }),
)
const mark = (name: 'acknowledge' | 'rewind') =>
  fc.tuple(fc.nat(3), fc.integer({ min: 0, max: 1100 })).map(([back, perMille]) =>
    step(`${name} ${perMille} per mille of the epoch ${back} back`, (model, real) => {
      const [epoch, state] = [...model.epochs].at(-1 - back) ?? [...model.epochs][0] ?? []
      if (!epoch || !state) return
      const hw = Math.floor((state.records.length * perMille) / 1000)
      real.outbox[name](epoch, hw)
      const isTaken = name === 'rewind' ? hw < state.acked : hw > state.acked && hw <= state.records.length
      if (isTaken) state.acked = hw
    }),
  )
const reopen = fc.constant(
  step('reopen', (model, real) => {
    if (!real.reopen) return
    real.outbox.close()
    commit(model, model.open.length)
    real.outbox = real.reopen()
    model.epochs.set(real.outbox.status().epoch, { records: [], acked: 0 })
  }),
)
const others = [flush, mark('acknowledge'), mark('rewind'), reopen]
const steps = fc.commands([append(450), append(450), ...others], { maxCommands: 40 })
/** As above, with runs that fill more than half of the smallest SQLite outbox at once. */
const floods = fc.commands([append(450), append(8000), ...others], { maxCommands: 15 })

function begin(real: Real): { model: Model; real: Real } {
  return {
    model: { epochs: new Map([[real.outbox.status().epoch, { records: [], acked: 0 }]]), open: [], next: 0 },
    real,
  }
}

describe('an outbox beside a plain model of it', () => {
  it('agrees in memory, with little room', () => {
    fc.assert(
      fc.property(steps, (commands) => {
        const lost: LostRun[] = []
        const options = { gateway: GATEWAY, clock: { wallMs: () => START_MS }, maxRecords: 1000 }
        const outbox = createMemoryOutbox({ ...options, onLost: (run) => lost.push(run) })
        fc.modelRun(() => begin({ outbox, lost, reopen: undefined }), commands)
      }),
      { numRuns: 60 },
    )
  })

  it.each([
    ['over openings', steps, 12],
    ['with little room', floods, 5],
  ] as const)('agrees in SQLite, %s', (_name, commandLists, numRuns) => {
    fc.assert(
      fc.property(commandLists, (commands) => {
        const folder = mkdtempSync(join(tmpdir(), 'outbox-'))
        const lost: LostRun[] = []
        const open = (): Outbox => openSqliteOutbox({ ...optionsIn(folder), onLost: (run) => lost.push(run) })
        const real: Real = { outbox: open(), lost, reopen: open }
        try {
          fc.modelRun(() => begin(real), commands)
        } finally {
          real.outbox.close()
          rmSync(folder, { recursive: true })
        }
      }),
      { numRuns },
    )
  })
})
