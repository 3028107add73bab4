import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Fix, GatewayId } from '@biotrakr/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { inspectOutbox } from './inspect.ts'
import { bulkyFixAt, fixAt, optionsIn, range } from './outbox.fixtures.ts'
import { readAll } from './outbox.laws.ts'
import type { LostRun, Outbox } from './outbox.ts'
import { NO_RANKS } from './rank.ts'
import { Sqlite } from './sqlite-driver.ts'
import { openSqliteOutbox, type SqliteOutboxOptions } from './sqlite-outbox.ts'
import { NEWEST } from './sqlite-schema.ts'

let folder: string
let lost: LostRun[]
let opened: Outbox[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-'))
  lost = []
  opened = []
})
afterEach(() => {
  for (const outbox of opened) outbox.close()
  rmSync(folder, { recursive: true })
})

function open(changes: Partial<SqliteOutboxOptions> = {}): Outbox {
  const outbox = openSqliteOutbox({ ...optionsIn(folder), onLost: (run) => lost.push(run), ...changes })
  opened.push(outbox)
  return outbox
}

function close(outbox: Outbox): void {
  outbox.close()
  opened = opened.filter((other) => other !== outbox)
}

function append(outbox: Outbox, first: number, count: number): void {
  for (const i of range(first, count)) outbox.append(fixAt(i))
  outbox.flush()
}

/** Changes the closed file as a failing disk, or a person, might. */
function tamper(sql: string): void {
  const db = new Sqlite(optionsIn(folder).path)
  db.exec(sql)
  db.close()
}

const code = (code: string) => expect.objectContaining({ code })

describe('epochs', () => {
  it('begins a new epoch at every opening and gives back the old ones first', () => {
    const epochs = range(0, 3).map((i) => {
      const outbox = open()
      append(outbox, i * 10, 10)
      const { epoch } = outbox.status()
      close(outbox)
      return epoch
    })
    const outbox = open()
    expect(new Set([...epochs, outbox.status().epoch]).size).toBe(4)
    expect(outbox.held().map(({ epoch }) => epoch)).toEqual(epochs)
    const batch = outbox.peek(undefined, { records: 1000 })
    expect(batch).toMatchObject({ epoch: { counter: 1 }, first: 1, last: 10 })
    expect(readAll(outbox).map(({ record }) => record)).toEqual(range(0, 30).map(fixAt))
  })

  it('keeps the store nonce and the acknowledgements over an opening', () => {
    const first = open()
    append(first, 0, 10)
    first.acknowledge(first.status().epoch, 7)
    first.flush()
    const { store } = first.status()
    close(first)
    const second = open()
    expect(second.status()).toMatchObject({ store, unacknowledged: 3 })
    expect(readAll(second).map(({ seq }) => seq)).toEqual([8, 9, 10])
  })

  it('does not use the counter of an epoch again, even when that one stored nothing', () => {
    for (const _ of range(0, 3)) close(open())
    expect(open().status().epoch).toMatch(/^4-[0-9a-f]{16}$/)
  })
})

describe('encryption', () => {
  it('writes no tag, room or other word of a record to the disk', () => {
    const outbox = open()
    const fix = { ...fixAt(1), room: 'intensive-care-4' } as Fix
    for (const _ of range(0, 500)) outbox.append(fix)
    outbox.flush()
    const bytes = readdirSync(folder).map((name) => readFileSync(join(folder, name)))
    expect(bytes.length).toBeGreaterThan(2)
    for (const words of [fix.tag, fix.tag.slice(4), 'ble:', 'intensive-care', 'care-4']) {
      for (const part of bytes) expect(part.includes(words)).toBe(false)
    }
  })

  it('rejects blobs that were swapped between rows', () => {
    const outbox = open()
    for (const i of range(0, 4)) append(outbox, i * 10, 10)
    const { epoch } = outbox.status()
    close(outbox)
    tamper(`CREATE TEMP TABLE swap AS SELECT id, body FROM run WHERE id IN (2, 3);
      UPDATE run SET body = (SELECT body FROM swap WHERE swap.id = 5 - run.id) WHERE id IN (2, 3)`)
    const read = readAll(open())
    expect(read[10]).toMatchObject({ seq: 11, record: { kind: 'gap', count: 10, reason: 'corrupt' } })
    expect(read[11]).toMatchObject({ seq: 21, record: { kind: 'gap', count: 10, reason: 'corrupt' } })
    expect(read.slice(12).map(({ record }) => record)).toEqual(range(30, 10).map(fixAt))
    expect(lost).toEqual([
      { epoch, first: 11, last: 20, reason: 'corrupt' },
      { epoch, first: 21, last: 30, reason: 'corrupt' },
    ])
  })

  it('makes the key file for a fresh store only, readable by its owner only', () => {
    close(open())
    const { keyFile } = optionsIn(folder)
    expect(statSync(keyFile)).toMatchObject({ size: 32 })
    expect(statSync(keyFile).mode & 0o777).toBe(0o600)
    rmSync(keyFile)
    expect(() => open()).toThrow(code('OUTBOX_KEY'))
    expect(existsSync(keyFile)).toBe(false)
  })

  it('refuses a wrong key and a broken key file, and says what to do', () => {
    close(open())
    const { keyFile } = optionsIn(folder)
    for (const bytes of [Buffer.alloc(32), Buffer.alloc(31), Buffer.alloc(0)]) {
      writeFileSync(keyFile, bytes)
      const next = expect.stringContaining('Put back the key file')
      expect(() => open()).toThrow(expect.objectContaining({ code: 'OUTBOX_KEY', next }))
    }
  })

  it('uses a key that is already there for a fresh store', () => {
    writeFileSync(optionsIn(folder).keyFile, Buffer.alloc(32, 7))
    close(open())
    expect(readFileSync(optionsIn(folder).keyFile)).toEqual(Buffer.alloc(32, 7))
  })
})

describe('a store that is not as it was left', () => {
  it('covers a group that cannot be read with a gap, for good, and goes on behind it', () => {
    const outbox = open()
    for (const i of range(0, 3)) append(outbox, i * 10, 10)
    outbox.acknowledge(outbox.status().epoch, 14)
    close(outbox)
    tamper('UPDATE run SET body = zeroblob(length(body)) WHERE id = 2')
    const second = open()
    const read = readAll(second)
    expect(read[0]).toMatchObject({ seq: 15, record: { kind: 'gap', count: 6, reason: 'corrupt' } })
    expect(read.slice(1).map(({ record }) => record)).toEqual(range(20, 10).map(fixAt))
    expect(second.status()).toMatchObject({ corrupt: 6 })
    close(second)
    expect(readAll(open())).toEqual(read)
    expect(lost).toHaveLength(1)
  })

  it('covers rows that have vanished with a gap', () => {
    const outbox = open()
    for (const i of range(0, 4)) append(outbox, i * 10, 10)
    close(outbox)
    tamper('DELETE FROM run WHERE id IN (2, 4)')
    const read = readAll(open())
    const gap = { kind: 'gap', count: 10, reason: 'corrupt' }
    expect(read[10]).toMatchObject({ seq: 11, record: gap })
    expect(read[21]).toMatchObject({ seq: 31, record: gap })
    expect(read).toHaveLength(22)
  })

  it('puts a file that is no database aside, whole, and begins a new store', () => {
    const { path } = optionsIn(folder)
    close(open())
    for (const n of [1, 2]) {
      const rubbish = Buffer.alloc(8192, n)
      writeFileSync(path, rubbish)
      const damages: string[] = []
      const outbox = open({ onDamaged: (damage) => damages.push(damage.path) })
      expect(damages).toEqual([`${path}.damaged-${n}`])
      expect(outbox.status().damaged).toEqual(damages)
      expect(readFileSync(`${path}.damaged-${n}`)).toEqual(rubbish)
      append(outbox, 0, 5)
      const [gap, ...rest] = readAll(outbox)
      expect(gap).toMatchObject({ seq: 1, record: { kind: 'gap', count: 1, reason: 'corrupt' } })
      expect(rest.map(({ record }) => record)).toEqual(range(0, 5).map(fixAt))
      close(outbox)
    }
  })

  it('replaces a file that shows its damage only while it is used, and loses nothing that waits', () => {
    const { path } = optionsIn(folder)
    const outbox = open()
    for (const i of range(0, 4000)) outbox.append(fixAt(i))
    close(outbox)
    const bytes = readFileSync(path)
    const damaged = Buffer.concat([bytes.subarray(0, 4096 * 6), Buffer.alloc(bytes.length - 4096 * 6, 0xa5)])
    writeFileSync(path, damaged)
    const second = open()
    for (const i of range(0, 10)) second.append(fixAt(i))
    readAll(second)
    second.flush()
    expect(second.status()).toMatchObject({ damaged: [`${path}.damaged-1`], fault: undefined })
    const [gap, ...rest] = readAll(second).map(({ record }) => record)
    expect(gap).toMatchObject({ kind: 'gap', count: 4000, reason: 'corrupt' })
    expect(rest).toEqual(range(0, 10).map(fixAt))
    expect(second.status()).toMatchObject({ corrupt: 4000 })
  })

  it('refuses a store of a newer version and leaves it as it is', () => {
    close(open())
    tamper('PRAGMA user_version = 99')
    expect(() => open()).toThrow(code('OUTBOX_SCHEMA'))
    expect(() => inspectOutbox(optionsIn(folder).path)).toThrow(code('OUTBOX_SCHEMA'))
    tamper(`PRAGMA user_version = ${NEWEST}`)
    open()
  })

  it('refuses the database of another program', () => {
    tamper('CREATE TABLE cooking (recipe TEXT)')
    writeFileSync(optionsIn(folder).keyFile, Buffer.alloc(32))
    expect(() => open()).toThrow(code('OUTBOX_OPEN'))
  })

  it("refuses another gateway's store", () => {
    close(open())
    expect(() => open({ gateway: 'ward-4' as GatewayId })).toThrow(code('OUTBOX_OPEN'))
  })

  it('refuses a store that is open already', () => {
    const outbox = open()
    expect(() => open()).toThrow(code('OUTBOX_OPEN'))
    append(outbox, 0, 3)
    close(outbox)
    expect(readAll(open())).toHaveLength(3)
  })

  it('says so when the store cannot be opened at all', () => {
    writeFileSync(join(folder, 'a-file'), '')
    expect(() => open({ path: join(folder, 'a-file', 'outbox.db') })).toThrow(code('OUTBOX_OPEN'))
  })

  it('refuses a bound that leaves no room', () => {
    expect(() => open({ maxBytes: 1_000_000 })).toThrow(code('CONFIG_INVALID'))
  })
})

describe('a record that the model does not allow', () => {
  it('becomes a gap of its own and takes no other record along', () => {
    const outbox = open()
    const bad = [
      { ...fixAt(50), atMs: Number.NaN },
      { ...fixAt(51), confidence: 2000 },
      { ...fixAt(52), tag: '' },
    ]
    const records = [...range(0, 50).map(fixAt), ...(bad as Fix[]), ...range(53, 30).map(fixAt)]
    for (const record of records) outbox.append(record)
    outbox.flush()
    const read = readAll(outbox)
    expect(read.slice(0, 50).map(({ record }) => record)).toEqual(records.slice(0, 50))
    expect(read[50]).toMatchObject({ seq: 51, record: { kind: 'gap', count: 3, reason: 'corrupt' } })
    expect(read.slice(51).map(({ record }) => record)).toEqual(records.slice(53))
    expect(outbox.status()).toMatchObject({ corrupt: 3, committedFixes: 80, open: 0 })
  })
})

describe('looking into the books', () => {
  it('needs no key and works beside a running agent', () => {
    const outbox = open()
    append(outbox, 0, 10)
    rmSync(optionsIn(folder).keyFile)
    outbox.append({ kind: 'health', receiver: 'r-1' as never, state: 'up', readings: 1, errors: 0, atMs: 1 })
    outbox.acknowledge(outbox.status().epoch, 4)
    outbox.flush()
    const { epoch } = outbox.status()
    const books = { epoch, first: 1, last: 11, acked: 4, fixes: 10, lost: 0, lostFixes: 0, lostRanks: NO_RANKS }
    expect(inspectOutbox(optionsIn(folder).path)).toEqual({ gateway: 'ward-3', epochs: [books] })
    append(outbox, 11, 1)
    expect(inspectOutbox(optionsIn(folder).path).epochs).toMatchObject([{ last: 12, fixes: 11 }])
  })

  it('counts what was evicted', () => {
    const outbox = open()
    for (const i of range(0, 200 * 80)) outbox.append(bulkyFixAt(i))
    const { evicted } = outbox.status()
    expect(evicted).toBeGreaterThan(0)
    const [tally] = inspectOutbox(optionsIn(folder).path).epochs
    expect(tally).toMatchObject({ last: 16_000, fixes: 16_000, lost: evicted, lostFixes: evicted })
  })

  it('says plainly when there is nothing, or nothing readable', () => {
    expect(() => inspectOutbox(join(folder, 'none.db'))).toThrow(code('NOT_FOUND'))
    writeFileSync(join(folder, 'bad.db'), Buffer.alloc(5000, 1))
    expect(() => inspectOutbox(join(folder, 'bad.db'))).toThrow(code('OUTBOX_DAMAGED'))
  })
})
