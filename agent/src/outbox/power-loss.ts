import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'

import { type LedgerRecord, seqSpan } from '@biotrakr/shared'

import { inspectOutbox } from './inspect.ts'
import { optionsIn } from './outbox.fixtures.ts'
import type { Outbox } from './outbox.ts'
import { lifeOf, type Marker, VERSION_ONE_RECORDS, versionOneAt } from './power-lives.ts'
import { type Draw, type Image, PowerTrace, WAYS } from './power-trace.ts'
import { Sqlite } from './sqlite-driver.ts'
import { openSqliteOutbox } from './sqlite-outbox.ts'

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

export interface Findings {
  images: number
  /** Images in which a file was put aside, failed SQLite's check, or held a blob that cannot be read. */
  corrupt: number
  /** Images without something that had been committed. */
  lost: number
  /** What was wrong, the first few. */
  readonly examples: string[]
}

/** A compiler and the preload mechanism that the recorder needs. */
export const canTrace = process.platform === 'linux' && existsSync('/usr/bin/gcc')

interface Plan {
  readonly life: string
  readonly images: number
  readonly seed: number
  readonly synchronous?: 'FULL' | 'NORMAL' | 'OFF'
}

/** Lets an outbox live, cuts its power at `images` random moments, and looks what the next opening finds. */
export function cutPower({ life, images, seed, synchronous = 'FULL' }: Plan): Findings {
  const work = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'power-loss-'))
  try {
    const begin = join(work, 'begin')
    mkdirSync(begin)
    if (lifeOf(life).isOld) {
      copyFileSync(here('./fixtures/version-1.sqlite'), optionsIn(begin).path)
      copyFileSync(here('./fixtures/version-1.key'), optionsIn(begin).keyFile)
    }
    const trace = record(work, { begin, life, synchronous })
    const findings: Findings = { images: 0, corrupt: 0, lost: 0, examples: [] }
    const draw = drawFrom(seed)
    for (const { image, told, next } of cuts({ trace, begin, images, draw })) {
      const folder = join(work, 'image')
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(folder)
      for (const [name, bytes] of image) writeFileSync(join(folder, name), bytes)
      judge(findings, { folder, life, told, next })
    }
    return findings
  } finally {
    rmSync(work, { recursive: true })
  }
}

/** The same numbers for the same seed, so that a finding can be looked at again (xorshift32). */
function drawFrom(seed: number): Draw {
  let state = (seed * 2_654_435_761) >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return Math.floor((state / 4_294_967_296) * below)
  }
}

function record(work: string, { begin, life, synchronous }: { begin: string; life: string; synchronous: string }) {
  const shim = join(work, 'power-trace.so')
  execFileSync('/usr/bin/gcc', ['-O1', '-shared', '-fPIC', '-o', shim, here('./power-trace.c'), '-ldl'])
  const folder = join(work, 'life')
  mkdirSync(folder)
  for (const name of ['outbox.db', 'outbox.key']) {
    if (existsSync(join(begin, name))) copyFileSync(join(begin, name), join(folder, name))
  }
  const trace = join(work, 'trace')
  const node = ['--conditions=biotrakr:source', '--import', 'tsx', here('./power-loss.child.ts')]
  execFileSync(process.execPath, [...node, folder, life, synchronous], {
    env: { ...process.env, LD_PRELOAD: shim, POWER_TRACE: trace, POWER_TRACE_DIR: folder },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return readFileSync(trace)
}

interface Cut {
  readonly image: Image
  /** What the program had told before the cut, and at its next chance after it. */
  readonly told: Marker
  readonly next: Marker
}

const NOTHING: Marker = { committed: {}, acked: {}, evicted: 0 }

function* cuts({ trace, begin, images, draw }: { trace: Buffer; begin: string; images: number; draw: Draw }) {
  const markers: string[] = []
  const first = new PowerTrace(trace, begin)
  let steps = 0
  while (first.step()) {
    steps++
    if (first.marker !== undefined && first.marker !== markers.at(-1)) markers.push(first.marker)
  }
  const read = (text: string | undefined): Marker => (text === undefined ? NOTHING : (JSON.parse(text) as Marker))
  const moments = Array.from({ length: images }, () => draw(steps)).sort((a, b) => a - b)
  const replay = new PowerTrace(trace, begin)
  let done = 0
  for (const [n, moment] of moments.entries()) {
    while (done <= moment && replay.step()) done++
    const at = replay.marker === undefined ? -1 : markers.indexOf(replay.marker)
    const told = read(markers[at])
    const cut: Cut = {
      image: replay.cut(WAYS[n % WAYS.length] ?? 'none', draw),
      told,
      next: read(markers[Math.min(markers.length - 1, at + 2)]),
    }
    yield cut
  }
}

interface Case {
  readonly folder: string
  readonly life: string
  readonly told: Marker
  readonly next: Marker
}

function judge(findings: Findings, { folder, ...moment }: Case): void {
  findings.images++
  const note = (kind: 'corrupt' | 'lost', text: string): void => {
    findings[kind]++
    if (findings.examples.length < 5) findings.examples.push(`image ${findings.images}: ${kind}: ${text}`)
  }
  try {
    const outbox = openSqliteOutbox(optionsIn(folder))
    try {
      const verdict = examine(outbox, { folder, ...moment })
      if (verdict) note(...verdict)
    } finally {
      outbox.close()
    }
  } catch (error) {
    note('corrupt', String(error))
  }
}

type Verdict = readonly ['corrupt' | 'lost', string] | undefined

function examine(outbox: Outbox, { folder, life, told, next }: Case): Verdict {
  const { path } = optionsIn(folder)
  const { damaged, isLogMissing } = outbox.status()
  if (damaged.length > 0) return ['corrupt', 'the file was put aside']
  if (isLogMissing) return ['corrupt', 'the log is said to be missing']
  const db = new Sqlite(path, { readonly: true })
  try {
    const check = db.pragma('integrity_check', { simple: true })
    if (check !== 'ok') return ['corrupt', String(check)]
  } finally {
    db.close()
  }
  const books = new Map(inspectOutbox(path).epochs.map((tally) => [tally.epoch, tally]))
  for (const [epoch, committed] of Object.entries(told.committed)) {
    const last = books.get(epoch)?.last ?? 0
    if (last < committed) return ['lost', `epoch ${epoch} ends at ${last} of ${committed}`]
  }
  if (lifeOf(life).isOld) {
    const old = [...books.values()].filter(({ epoch }) => Number(epoch.split('-')[0]) <= 3)
    if (old.length !== 3 || old.some(({ last }) => last !== VERSION_ONE_RECORDS)) return ['lost', 'epochs of version 1']
  }
  return examineRecords(outbox, { life, next })
}

function examineRecords(outbox: Outbox, { life, next }: Pick<Case, 'life' | 'next'>): Verdict {
  let gone = 0
  for (const { epoch, first, last } of outbox.held()) {
    const isOld = lifeOf(life).isOld && Number(epoch.split('-')[0]) <= 3
    if (!isOld && first > (next.acked[epoch] ?? 0) + 1) return ['lost', `epoch ${epoch} begins at ${first}`]
    const found = examineEpoch(outbox, { epoch, first, last, recordAt: isOld ? versionOneAt : lifeOf(life).recordAt })
    if (typeof found !== 'number') return found
    gone += found
  }
  return gone > next.evicted ? ['lost', `${gone} in gaps, ${next.evicted} were evicted`] : undefined
}

interface Span {
  readonly epoch: string
  readonly first: number
  readonly last: number
  readonly recordAt: (seq: number) => LedgerRecord
}

/** @returns how many numbers stand in gaps, or what is wrong */
function examineEpoch(outbox: Outbox, { epoch, first, last, recordAt }: Span): number | Verdict {
  let gone = 0
  let seq = first
  while (seq <= last) {
    const batch = outbox.peek({ epoch, seq: seq - 1 }, { records: 5000 })
    if (batch?.first !== seq) return ['corrupt', `epoch ${epoch} cannot be read from ${seq}`]
    for (const record of batch.records) {
      if (record.kind === 'gap') gone += record.count
      const isRight = record.kind === 'gap' ? record.reason === 'evicted' : isDeepStrictEqual(record, recordAt(seq))
      if (!isRight) return ['corrupt', `number ${seq} of epoch ${epoch} is not what it was`]
      seq += seqSpan(record)
    }
  }
  return gone
}
