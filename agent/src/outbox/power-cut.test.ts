import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { inspectOutbox } from './inspect.ts'
import { fixAt, optionsIn, range } from './outbox.fixtures.ts'
import { readAll } from './outbox.laws.ts'
import { openSqliteOutbox } from './sqlite-outbox.ts'

interface Answer {
  readonly epoch: string
  readonly committed: number
}

interface Victim {
  readonly process: ChildProcessByStdio<Writable, Readable, null>
  readonly answers: AsyncIterator<string>
  /** The last thing it said. */
  said: Answer
}

let folder: string
/** What was committed, as far as anyone was told, of every epoch so far. */
const committed = new Map<string, number>()

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'power-cut-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const script = fileURLToPath(new URL('./power-cut.child.ts', import.meta.url))

async function start(mode: 'wild' | 'steps'): Promise<Victim> {
  const options = ['--conditions=biotrakr:source', '--import', 'tsx', script, folder, mode]
  const child = spawn(process.execPath, options, { stdio: ['pipe', 'pipe', 'inherit'] })
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const victim: Victim = { process: child, answers, said: { epoch: '', committed: 0 } }
  await listen(victim)
  return victim
}

/** @returns false when the process is dead */
async function listen(victim: Victim): Promise<boolean> {
  const { value, done } = await victim.answers.next()
  if (done) return false
  victim.said = JSON.parse(value) as Answer
  return true
}

async function kill(victim: Victim): Promise<void> {
  const dead = once(victim.process, 'exit')
  victim.process.kill('SIGKILL')
  // What it had said before it died counts, even what nobody had read yet.
  while (await listen(victim));
  await dead
  expect(committed.has(victim.said.epoch)).toBe(false)
  committed.set(victim.said.epoch, victim.said.committed)
}

/** Nothing that was committed is missing or changed, in any epoch, and the next epoch is a new one. */
function check(): void {
  const books = new Map(inspectOutbox(optionsIn(folder).path).epochs.map((tally) => [tally.epoch, tally]))
  const outbox = openSqliteOutbox(optionsIn(folder))
  try {
    const { epoch, damaged } = outbox.status()
    expect(damaged).toEqual([])
    expect(committed.has(epoch)).toBe(false)
    committed.set(epoch, 0)
    const held = new Map(outbox.held().map((run) => [run.epoch, run]))
    for (const [past, told] of committed) {
      const last = held.get(past)?.last ?? 0
      expect(last).toBeGreaterThanOrEqual(told)
      expect(books.get(past)?.last ?? 0).toBe(last)
      const read = readAll(outbox, { after: { epoch: past, seq: 0 }, records: 5000 })
      expect(read.slice(0, last)).toEqual(range(1, last).map((seq) => ({ seq, record: fixAt(seq) })))
    }
  } finally {
    outbox.close()
  }
}

describe('an outbox whose process is killed', { timeout: 90_000 }, () => {
  const scripts: readonly (readonly string[])[] = [
    [],
    ['append 5'],
    ['append 5', 'flush'],
    ['append 201'],
    ['append 300', 'flush', 'append 7'],
    ['append 5', 'flush', 'ack 3'],
    ['append 5', 'flush', 'ack 3', 'flush'],
    ['append 5', 'flush', 'peek 2', 'ack 2', 'append 199'],
    ['append 200', 'ack 200', 'flush', 'rewind 10'],
    ['append 150', 'doom', 'flush'],
    ['append 250', 'doom', 'append 150'],
  ]
  it.each(scripts.map((steps) => [steps.join(', ') || 'its start', steps] as const))(
    'right after %s loses nothing that was committed',
    async (_name, steps) => {
      const victim = await start('steps')
      for (const step of steps) {
        victim.process.stdin.write(`${step}\n`)
        if (!(await listen(victim))) break
      }
      await kill(victim)
      check()
    },
  )

  it('at any moment loses nothing that was committed', async () => {
    for (const round of range(0, 8)) {
      const victim = await start('wild')
      await delay((round * 37) % 160)
      await kill(victim)
      check()
    }
  })
})
