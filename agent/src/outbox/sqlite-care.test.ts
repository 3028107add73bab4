import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { formatEpoch } from '@biotrakr/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { inspectOutbox } from './inspect.ts'
import { bulkyFixAt, compression, fixAt, optionsIn, range } from './outbox.fixtures.ts'
import { readAll } from './outbox.laws.ts'
import type { Outbox } from './outbox.ts'
import { VERSION_ONE_RECORDS, versionOneAt } from './power-lives.ts'
import { openSqliteOutbox } from './sqlite-outbox.ts'
import { createStoreReader } from './store-reader.ts'

let folder: string
let outbox: Outbox | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-'))
})
afterEach(() => {
  outbox?.close()
  outbox = undefined
  rmSync(folder, { recursive: true })
})

function open(): Outbox {
  outbox = openSqliteOutbox(optionsIn(folder))
  return outbox
}

function verify(): readonly string[] {
  const { path, keyFile } = optionsIn(folder)
  const reader = createStoreReader({ path, keyFile, compression })
  try {
    return reader.verify().problems
  } finally {
    reader.close()
  }
}

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))

describe.each([1, 2])('a store that version %i wrote', (version) => {
  beforeEach(() => {
    copyFileSync(fixture(`version-${version}.sqlite`), optionsIn(folder).path)
    copyFileSync(fixture(`version-${version}.key`), optionsIn(folder).keyFile)
  })

  it('is brought up to date, gives back every record, and takes new ones', () => {
    const box = open()
    const old = box.held()
    expect(old.map(({ last, acked }) => [last, acked])).toEqual([450, 0, 0].map((n) => [VERSION_ONE_RECORDS, n]))
    for (const { epoch } of old) {
      const read = readAll(box, { after: { epoch, seq: 0 } }).slice(0, VERSION_ONE_RECORDS)
      expect(read.map(({ record }) => record)).toEqual(range(1, VERSION_ONE_RECORDS).map(versionOneAt))
    }
    for (const i of range(0, 10)) box.append(fixAt(i))
    box.flush()
    expect(box.status()).toMatchObject({ fault: undefined, unacknowledged: 250 + 700 + 700 + 10 })
    expect(verify()).toEqual([])
  })

  it('gives way by rank as well when it is full, and its events stay', () => {
    const box = open()
    const epochs = box.held().map(({ epoch }) => epoch)
    for (const i of range(0, 200 * 120)) box.append(bulkyFixAt(i))
    for (let n = 0; n < 20 && box.status().open > 0; n++) box.flush()
    const first = epochs[1] ?? ''
    const kept = readAll(box, { after: { epoch: first, seq: 0 } }).slice(0, 15)
    expect(kept.filter(({ record }) => record.kind === 'event').map(({ seq }) => seq)).toEqual(
      range(1, 7).map((n) => n * 100),
    )
    expect(verify()).toEqual([])
  })
})

describe('eviction from a group whose head is confirmed', () => {
  it('counts only the unconfirmed tail, to the record, in the status and in the books', () => {
    const box = open()
    const { epoch } = box.status()
    for (const i of range(0, 200)) box.append(bulkyFixAt(i))
    box.acknowledge(epoch, 137)
    for (const i of range(200, 200 * 119)) box.append(bulkyFixAt(i))
    for (let n = 0; n < 20 && (n === 0 || box.status().open > 0); n++) box.flush()
    const { evicted, evictedBy, unacknowledged } = box.status()
    const read = readAll(box)
    expect(read[0]).toMatchObject({ seq: 138, record: { kind: 'gap', count: evicted, reason: 'evicted' } })
    expect(evictedBy).toEqual({ telemetry: 0, sameRoom: 0, roomChange: evicted })
    expect(unacknowledged).toBe(24_000 - 137)
    const [books] = inspectOutbox(optionsIn(folder).path).epochs
    expect(books).toMatchObject({ lost: evicted, lostFixes: evicted, lostRanks: evictedBy })
    expect(verify()).toEqual([])
  })
})

describe('a store whose files were tampered with', () => {
  it('says so when the log of a store that nobody closed is gone, and goes on in a new epoch', () => {
    const box = open()
    for (const i of range(0, 300)) box.append(fixAt(i))
    box.flush()
    // What a crash leaves: the files as they are now.
    const crashed = join(folder, 'crashed')
    copyFileSync(optionsIn(folder).path, `${crashed}.db`)
    box.close()
    outbox = openSqliteOutbox({ ...optionsIn(folder), path: `${crashed}.db` })
    expect(outbox.status()).toMatchObject({ isLogMissing: true, damaged: [], fault: undefined })
    expect(outbox.status().epoch).toMatch(/^2-/)
    outbox.append(fixAt(0))
    outbox.flush()
    const batch = outbox.peek(undefined, { records: 10 })
    expect(batch && formatEpoch(batch.epoch)).toBe(outbox.status().epoch)
  })

  it('does not say so after it was closed as it should be', () => {
    open().close()
    expect(existsSync(`${optionsIn(folder).path}-wal`)).toBe(false)
    expect(open().status().isLogMissing).toBe(false)
  })

  it('keeps no more than two damaged files', () => {
    const { path } = optionsIn(folder)
    open().close()
    for (const n of range(1, 5)) {
      writeFileSync(path, Buffer.alloc(8192, n))
      open().close()
      outbox = undefined
    }
    const aside = readdirSync(folder).filter((name) => name.includes('.damaged-'))
    expect(aside.sort()).toEqual(['outbox.db.damaged-4', 'outbox.db.damaged-5'])
  })
})
