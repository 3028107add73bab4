import { execFileSync, spawnSync } from 'node:child_process'
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { formatEpoch } from '@biotrakr/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bulkyFixAt, fixAt, optionsIn, range } from './outbox.fixtures.ts'
import { readAll } from './outbox.laws.ts'
import type { LostRun, Outbox } from './outbox.ts'
import { Sqlite } from './sqlite-driver.ts'
import { openSqliteOutbox, type SqliteOutboxOptions } from './sqlite-outbox.ts'

let folder: string
let lost: LostRun[]
let outbox: Outbox | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-'))
  lost = []
})
afterEach(() => {
  outbox?.close()
  outbox = undefined
  rmSync(folder, { recursive: true })
})

function open(changes: Partial<SqliteOutboxOptions> = {}): Outbox {
  outbox = openSqliteOutbox({ ...optionsIn(folder), onLost: (run) => lost.push(run), ...changes })
  return outbox
}

function bytesOnDisk(): number {
  const names = readdirSync(folder).filter((name) => name.startsWith('outbox.db'))
  return names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

describe('the bound in bytes', () => {
  it('is never passed, log included, however groups, acknowledgements and rewinds are mixed', () => {
    const box = open()
    const { epoch, bound } = box.status()
    let most = 0
    for (const group of range(0, 200)) {
      const size = 1 + ((group * 71) % 200)
      for (const i of range(group * 200, size)) box.append(bulkyFixAt(i))
      box.flush()
      const last = box.held()[0]?.last ?? 0
      if (group % 7 === 0 && group < 70) box.acknowledge(epoch, Math.floor(last * 0.9))
      if (group % 31 === 0) box.rewind(epoch, Math.floor(last / 2))
      most = Math.max(most, bytesOnDisk())
      expect(box.status().bytes).toBeLessThanOrEqual(bound)
    }
    expect(most).toBeLessThanOrEqual(bound)
    expect(most).toBeGreaterThan(bound / 2)
    expect(box.status()).toMatchObject({ fault: undefined })
    expect(lost.length).toBeGreaterThan(0)
  })

  it('holds against a reader that keeps the log from being emptied, and storing goes on when it is gone', () => {
    const box = open({ waitingRecords: 100_000 })
    box.append(fixAt(0))
    box.flush()
    const reader = new Sqlite(optionsIn(folder).path, { readonly: true })
    reader.exec('BEGIN')
    reader.prepare('SELECT count(*) FROM run').get()
    for (const i of range(1, 200 * 60)) {
      box.append(bulkyFixAt(i))
      if (i % 1000 === 0) expect(bytesOnDisk()).toBeLessThanOrEqual(box.status().bound)
    }
    expect(box.status().fault).toMatchObject({ code: 'OUTBOX_FULL' })
    expect(box.status().open).toBeGreaterThan(200)
    reader.close()
    box.flush()
    expect(box.status()).toMatchObject({ fault: undefined, open: 0 })
    expect(bytesOnDisk()).toBeLessThanOrEqual(box.status().bound)
    const seen = readAll(box).map(({ seq }) => seq)
    expect(seen.at(-1)).toBe(200 * 60 + 1)
  })

  it('keeps a larger store as it is, without letting it grow, when the bound is lowered', () => {
    const large = open({ maxBytes: 8 * 1024 * 1024 })
    for (const i of range(0, 200 * 100)) large.append(bulkyFixAt(i))
    large.close()
    const before = statSync(optionsIn(folder).path).size
    expect(before).toBeGreaterThan(4 * 1024 * 1024)
    const box = open()
    expect(lost).toEqual([])
    for (const i of range(0, 200 * 20)) box.append(bulkyFixAt(i))
    box.close()
    expect(statSync(optionsIn(folder).path).size).toBeLessThanOrEqual(before)
    expect(lost.length).toBeGreaterThan(0)
    outbox = undefined
  })
})

describe('a store that cannot be written for a while', () => {
  /** Another program's transaction: the plainest way in which SQLite refuses a commit. */
  function block(): { release(): void } {
    const other = new Sqlite(optionsIn(folder).path)
    other.exec('BEGIN IMMEDIATE')
    return { release: () => other.close() }
  }

  it('keeps records in memory, says so, and stores them in order when it can', () => {
    const box = open()
    const blocked = block()
    for (const i of range(0, 450)) box.append(fixAt(i))
    box.flush()
    expect(box.status()).toMatchObject({ open: 450, fault: { code: 'OUTBOX_FULL' } })
    expect(box.peek(undefined, { records: 10 })).toBeUndefined()
    blocked.release()
    box.flush()
    expect(box.status()).toMatchObject({ open: 0, fault: undefined })
    expect(readAll(box).map(({ record }) => record)).toEqual(range(0, 450).map(fixAt))
    expect(lost).toEqual([])
  })

  it('turns the oldest of too many waiting records into a gap', () => {
    const box = open({ waitingRecords: 300 })
    const { epoch } = box.status()
    box.append(fixAt(0))
    box.flush()
    const blocked = block()
    for (const i of range(1, 450)) box.append(bulkyFixAt(i))
    expect(box.status()).toMatchObject({ open: 300, evicted: 150 })
    blocked.release()
    box.flush()
    const read = readAll(box)
    expect(read[1]).toMatchObject({ seq: 2, record: { kind: 'gap', count: 150, reason: 'evicted' } })
    expect(read.slice(2).map(({ record }) => record)).toEqual(range(151, 300).map(bulkyFixAt))
    expect(lost).toEqual([{ epoch, first: 2, last: 151, reason: 'evicted' }])
    expect(box.status()).toMatchObject({ evicted: 150, open: 0, fault: undefined })
  })
})

const canMount = process.platform === 'linux' && process.getuid?.() === 0
const needsMount = canMount ? '' : ' [skipped: mounting a small tmpfs needs root on Linux]'

describe('a full disk', { timeout: 120_000 }, () => {
  /** A disk of 12 MiB that another program fills to the last byte. */
  function withSmallDisk(work: (mount: string) => void): void {
    const mount = join(folder, 'small')
    mkdirSync(mount)
    execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', mount])
    try {
      folder = mount
      work(mount)
      outbox?.close()
      outbox = undefined
    } finally {
      folder = join(mount, '..')
      execFileSync('/bin/umount', ['-l', mount])
    }
  }

  /** The centre takes the next batch. @returns false when there is none */
  function confirm(box: Outbox, records: number): boolean {
    const batch = box.peek(undefined, { records })
    if (batch) box.acknowledge(formatEpoch(batch.epoch), batch.last)
    return batch !== undefined
  }

  function untilFault(box: Outbox, from: number): number {
    let n = 0
    while (!box.status().fault && n < 40_000) box.append(bulkyFixAt(from + n++))
    return n
  }

  function drain(box: Outbox): void {
    while (confirm(box, 1000)) box.flush()
  }

  /** New records come, and the centre takes as many. @returns how many came */
  function goOn(box: Outbox, from: number): number {
    for (const n of range(from, 10_000)) {
      box.append(bulkyFixAt(n))
      if (n % 200 === 0) confirm(box, 200)
      if (n % 200 === 0) box.flush()
    }
    box.flush()
    return 10_000
  }

  function fillUp(mount: string): void {
    const file = openSync(join(mount, 'other-program'), 'w')
    for (const size of [65_536, 4096]) {
      try {
        for (;;) writeSync(file, Buffer.alloc(size))
      } catch {}
    }
    closeSync(file)
  }

  const itMounts = it.skipIf(!canMount && process.env['BIOTRAKR_REQUIRE_ALL'] !== '1')

  itMounts(`neither stops the agent nor loses what fits in memory${needsMount}`, () => {
    withSmallDisk((mount) => {
      const box = open({ maxBytes: 64 * 1024 * 1024 })
      box.append(fixAt(0))
      box.flush()
      fillUp(mount)
      for (const i of range(1, 4000)) box.append(bulkyFixAt(i))
      box.flush()
      expect(box.status()).toMatchObject({ fault: { code: 'OUTBOX_FULL' }, evicted: 0 })
      expect(box.status().open).toBeGreaterThan(1000)
      rmSync(join(mount, 'other-program'))
      box.flush()
      expect(box.status()).toMatchObject({ fault: undefined, open: 0 })
      expect(readAll(box).map(({ record }) => record)).toEqual([fixAt(0), ...range(1, 4000).map(bulkyFixAt)])
      expect(lost).toEqual([])
    })
  })

  itMounts(
    `is drained without hands: the ballast goes, confirmed records give their room, it is made again${needsMount}`,
    () => {
      withSmallDisk((mount) => {
        const { path } = optionsIn(mount)
        const box = open({ maxBytes: 64 * 1024 * 1024, waitingRecords: 100_000 })
        for (const i of range(0, 4000)) box.append(bulkyFixAt(i))
        expect(statSync(`${path}.ballast`).size).toBe(1_048_576)
        fillUp(mount)
        let appended = 4000 + untilFault(box, 4000)
        expect(existsSync(`${path}.ballast`)).toBe(false)
        expect(box.status()).toMatchObject({ fault: { code: 'OUTBOX_FULL' }, evicted: 0 })
        // The uplink still works: what the centre confirms makes room inside the file, for as long as it is needed.
        appended += goOn(box, appended)
        expect(box.status()).toMatchObject({ evicted: 0, corrupt: 0 })
        expect(box.status().open).toBeLessThan(2000)
        drain(box)
        expect(box.status()).toMatchObject({ fault: undefined, open: 0, unacknowledged: 0, evicted: 0 })
        expect(box.held()).toMatchObject([{ last: appended, acked: appended }])
        rmSync(join(mount, 'other-program'))
        box.append(fixAt(1))
        box.flush()
        expect(statSync(`${path}.ballast`).size).toBe(1_048_576)
      })
    },
  )
})

describe('a start on a disk that takes nothing', { timeout: 120_000 }, () => {
  const itMounts = it.skipIf(!canMount && process.env['BIOTRAKR_REQUIRE_ALL'] !== '1')

  function onDisk(work: (mount: string) => void): void {
    const mount = join(folder, 'disk')
    mkdirSync(mount)
    execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', mount])
    try {
      work(mount)
      outbox?.close()
      outbox = undefined
    } finally {
      execFileSync('/bin/umount', ['-l', mount])
    }
  }

  function withRecords(mount: string, maxBytes = optionsIn(mount).maxBytes): void {
    const before = open({ ...optionsIn(mount), maxBytes })
    for (const i of range(0, 300)) before.append(fixAt(i))
    before.close()
  }

  function fill(mount: string): void {
    const file = openSync(join(mount, 'other-program'), 'w')
    for (const size of [65_536, 4096]) {
      try {
        for (;;) writeSync(file, Buffer.alloc(size))
      } catch {}
    }
    closeSync(file)
  }

  /** Begins in memory, waits, and stores everything once `mend` has been called. */
  function outlives(mount: string, mend: () => void, old: number): void {
    const box = open({ ...optionsIn(mount) })
    expect(box.status()).toMatchObject({ store: '', fault: { code: 'OUTBOX_FULL' }, records: 0 })
    for (const i of range(300, 450)) box.append(fixAt(i))
    box.flush()
    expect(box.peek(undefined, { records: 10 })).toBeUndefined()
    expect(box.held()).toEqual([])
    expect(box.status()).toMatchObject({ open: 450, fault: { code: 'OUTBOX_FULL' }, evicted: 0 })
    mend()
    box.flush()
    expect(box.status()).toMatchObject({ open: 0, fault: undefined, evicted: 0, corrupt: 0, damaged: [] })
    expect(box.status().store).not.toBe('')
    expect(readAll(box).map(({ record }) => record)).toEqual([...range(0, old), ...range(300, 450)].map(fixAt))
  }

  itMounts(`that is read-only goes on from memory, and stores when it can be written${needsMount}`, () => {
    onDisk((mount) => {
      withRecords(mount)
      execFileSync('/bin/mount', ['-o', 'remount,ro', mount])
      outlives(mount, () => execFileSync('/bin/mount', ['-o', 'remount,rw', mount]), 300)
    })
  })

  itMounts(`that is full to the last byte goes on from memory, and stores when it has room${needsMount}`, () => {
    onDisk((mount) => {
      withRecords(mount)
      rmSync(`${optionsIn(mount).path}.ballast`)
      fill(mount)
      outlives(mount, () => rmSync(join(mount, 'other-program')), 300)
    })
  })

  itMounts(`that is full begins a store, its key included, as soon as it has room${needsMount}`, () => {
    onDisk((mount) => {
      fill(mount)
      outlives(mount, () => rmSync(join(mount, 'other-program')), 0)
    })
  })

  itMounts(`that is full takes the ballast's place for the new epoch${needsMount}`, () => {
    onDisk((mount) => {
      const maxBytes = 64 * 1024 * 1024
      withRecords(mount, maxBytes)
      fill(mount)
      expect(open({ ...optionsIn(mount), maxBytes }).status()).toMatchObject({ records: 300, fault: undefined })
    })
  })

  it('says plainly that a path is wrong, and does not begin', () => {
    writeFileSync(join(folder, 'file'), '')
    expect(() => open({ path: join(folder, 'file', 'outbox.db') })).toThrow(
      expect.objectContaining({ code: 'OUTBOX_OPEN' }),
    )
  })
})

describe('a disk that fails', { timeout: 120_000 }, () => {
  const itMounts = it.skipIf(!canMount && process.env['BIOTRAKR_REQUIRE_ALL'] !== '1')

  itMounts(
    `under an open store costs nothing: records wait, and storing goes on when the disk is back${needsMount}`,
    () => {
      const image = join(folder, 'disk.img')
      const mount = join(folder, 'disk')
      mkdirSync(mount)
      execFileSync('/usr/bin/truncate', ['-s', '32m', image])
      execFileSync('/sbin/mkfs.ext4', ['-q', '-F', image])
      execFileSync('/bin/mount', ['-o', 'loop', image, mount])
      try {
        const box = open({ ...optionsIn(mount) })
        const { epoch } = box.status()
        for (const i of range(0, 400)) box.append(fixAt(i))
        // What an ext4 file system does by itself after an error: it turns read-only under every open file.
        execFileSync('/bin/mount', ['-o', 'remount,abort', mount], { stdio: 'ignore' })
        for (const i of range(400, 300)) box.append(fixAt(i))
        box.flush()
        expect(box.status()).toMatchObject({ open: 300, fault: { code: 'OUTBOX_FULL' }, evicted: 0 })
        box.flush()
        expect(box.peek(undefined, { records: 10 })).toBeUndefined()
        execFileSync('/bin/umount', ['-l', mount])
        // A copy, because the failed one stays in the kernel for as long as the store has its files open.
        copyFileSync(image, `${image}.copy`)
        spawnSync('/sbin/e2fsck', ['-fy', `${image}.copy`], { stdio: 'ignore' })
        execFileSync('/bin/mount', ['-o', 'loop', `${image}.copy`, mount])
        box.flush()
        expect(box.status()).toMatchObject({ open: 0, fault: undefined, evicted: 0, corrupt: 0, damaged: [] })
        expect(box.status().epoch).not.toBe(epoch)
        expect(readAll(box).map(({ record }) => record)).toEqual(range(0, 700).map(fixAt))
        box.close()
        outbox = undefined
      } finally {
        execFileSync('/bin/umount', ['-l', mount])
      }
    },
  )
})
