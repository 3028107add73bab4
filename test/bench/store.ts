import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { nodeCompression, type Outbox, openSqliteOutbox } from '@biotrakr/agent'
import type { Fix, GatewayId } from '@biotrakr/shared'

import type { Figure } from './figure.ts'
import { type FixSet, repeatFixes, wardFixes } from './fixes.ts'

const MEBIBYTE = 1_048_576
const MAX_BYTES = 700e6
const PER_SECOND = 200
const HOUR = 3_600
const OFFLINE_HOURS = 72
const GATEWAY = 'bench' as GatewayId

type Say = (text: string) => void

/** Five minutes of a ward of 200 tags, answered by the real filter and locate stages: 200 fixes a second. */
function wardMinutes(): FixSet {
  return wardFixes(300, PER_SECOND)
}

interface StoreWish {
  readonly maxBytes: number
  readonly clock: { nowMs: number }
  readonly gateway?: GatewayId
}

function open(dir: string, { maxBytes, clock, gateway = GATEWAY }: StoreWish): Outbox {
  const paths = { path: join(dir, 'outbox.sqlite'), keyFile: join(dir, 'outbox.key') }
  const wallMs = (): number => clock.nowMs
  return openSqliteOutbox({ ...paths, gateway, maxBytes, compression: nodeCompression, clock: { wallMs } })
}

/** One durable commit for each second of fixes. */
function live(outbox: Outbox, fixes: readonly Fix[], { isConfirmed }: { readonly isConfirmed: boolean }): void {
  const { epoch } = outbox.status()
  for (let from = 0; from < fixes.length; from += PER_SECOND) {
    for (const fix of fixes.slice(from, from + PER_SECOND)) outbox.append(fix)
    outbox.flush()
    const last = isConfirmed ? outbox.held().at(-1)?.last : undefined
    if (last !== undefined) outbox.acknowledge(epoch, last)
  }
}

/** Bytes that this process has sent towards the disk, each page counted as often as it was synced. */
function bytesWritten(): number {
  return Number(/^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1])
}

const LIVES = [
  { name: 'offline', isConfirmed: false, maxBytes: MAX_BYTES },
  { name: 'all confirmed', isConfirmed: true, maxBytes: MAX_BYTES },
  // Full of confirmed groups after a quarter of an hour: every new one takes the place of an old one.
  { name: 'all confirmed, in a store of 8 MiB', isConfirmed: true, maxBytes: 8 * MEBIBYTE },
]

/** What an hour at 200 fixes a second costs, offline and with the uplink up and the store full of confirmed records. */
export function benchStore(say: Say): Figure[] {
  const hour = repeatFixes(wardMinutes(), HOUR * PER_SECOND)
  const clock = { nowMs: Date.now() }
  const group = 'store, 200 fixes a second of a ward'
  const figures: Figure[] = []
  for (const { name, isConfirmed, maxBytes } of LIVES) {
    const dir = mkdtempSync(join(tmpdir(), 'biotrakr-bench-'))
    try {
      const outbox = open(dir, { maxBytes, clock })
      say(`an hour, ${name}`)
      const before = bytesWritten()
      live(outbox, hour.slice(0, hour.length / 2), { isConfirmed })
      const { bytes: bytesBefore } = outbox.status()
      live(outbox, hour.slice(hour.length / 2), { isConfirmed })
      const gigabytesADay = ((bytesWritten() - before) * 24) / 1e9
      const { bytes, fault, evicted } = outbox.status()
      outbox.close()
      if (fault || evicted > 0) throw new Error(`the store lost ${evicted} fixes: ${fault?.detail}`)
      figures.push({ group, name: `written a day, ${name}`, value: gigabytesADay, unit: 'GB', goal: { atMost: 2 } })
      if (isConfirmed) continue
      // Log and ballast stay as they are after the first minutes: what grows is the file.
      const grownPerHour = 2 * (bytes - bytesBefore)
      figures.push({ group, name: 'bytes a fix', value: grownPerHour / hour.length, unit: 'B' })
      const days = (bytes + (OFFLINE_HOURS - 1) * grownPerHour) / 1e6
      figures.push({ group, name: '72 h offline, computed', value: days, unit: 'MB', goal: { atMost: 700 } })
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  }
  return figures
}

interface Reopened {
  readonly readyMs: number
  readonly residentMegabytes: number
  readonly read: number
  readonly readSeconds: number
}

/** Seconds whose fixes are held at once while the file is filled. */
const ROUND = 600

interface FillWish {
  readonly gateway: GatewayId
  /** A multiple of a sixth. */
  readonly hours: number
  /** Event time of the last fix, wall milliseconds. */
  readonly endMs: number
  readonly say: Say
}

/** Stores `hours` of a ward as an agent would that nobody answers: a durable commit for each second of fixes. */
export function fillStore(dir: string, { gateway, hours, endMs, say }: FillWish) {
  const seconds = hours * HOUR
  const clock = { nowMs: endMs - seconds * 1000 }
  const outbox = open(dir, { maxBytes: MAX_BYTES, clock, gateway })
  const fixes = repeatFixes(wardMinutes(), ROUND * PER_SECOND)
  const shiftMs = clock.nowMs - (fixes[0]?.atMs ?? 0)
  let most = 0
  for (let second = 0; second < seconds; second += ROUND) {
    const later = fixes.map((fix) => ({ ...fix, atMs: fix.atMs + shiftMs + second * 1000 }))
    clock.nowMs += ROUND * 1000
    live(outbox, later, { isConfirmed: false })
    most = Math.max(most, outbox.status().bytes)
    const stored = (second + ROUND) / HOUR
    if (stored % 6 === 0) say(`${stored} of ${hours} hours stored, ${Math.round(most / 1e6)} MB`)
  }
  const { evicted, unacknowledged } = outbox.status()
  outbox.close()
  return { most, evicted, unacknowledged }
}

/**
 * A file with 72 h of fixes, which takes about 5 minutes of processor time to fill; then a fresh process that opens it,
 * reads a part and confirms what it read.
 */
export function benchFullStore(say: Say): Figure[] {
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'biotrakr-bench-'))
  try {
    const filled = fillStore(dir, { gateway: GATEWAY, hours: OFFLINE_HOURS, endMs: Date.now(), say })
    const { most, evicted, unacknowledged } = filled
    const child = fileURLToPath(new URL('./store-open.js', import.meta.url))
    const out = execFileSync(process.execPath, [child, dir, GATEWAY, String(MAX_BYTES)], { encoding: 'utf8' })
    const { readyMs, residentMegabytes, read, readSeconds } = JSON.parse(out) as Reopened
    const group = 'store with 72 h at 200 fixes a second'
    return [
      { group, name: 'fixes held', value: unacknowledged, unit: 'fixes', goal: { atLeast: 51_840_000 } },
      { group, name: 'fixes let go', value: evicted, unit: 'fixes', goal: { atMost: 0 } },
      { group, name: 'largest size, log and ballast included', value: most / 1e6, unit: 'MB', goal: { atMost: 700 } },
      { group, name: 'ready after', value: readyMs / 1000, unit: 's', goal: { atMost: 3 } },
      {
        group,
        name: 'resident after reading and confirming',
        value: residentMegabytes,
        unit: 'MB',
        goal: { atMost: 150 },
      },
      {
        group,
        name: 'read and confirmed',
        value: read / readSeconds / PER_SECOND,
        unit: 'x real time',
        goal: { atLeast: 20 },
      },
    ]
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
