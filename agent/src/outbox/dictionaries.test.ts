import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bulkyFixAt, compression, fixAt, optionsIn, range } from './outbox.fixtures.ts'
import { readAll } from './outbox.laws.ts'
import type { Outbox } from './outbox.ts'
import { Sqlite } from './sqlite-driver.ts'
import { openSqliteOutbox } from './sqlite-outbox.ts'
import { createStoreReader } from './store-reader.ts'

let folder: string
let outbox: Outbox | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-'))
})
afterEach(() => {
  close()
  rmSync(folder, { recursive: true })
})

function open(): Outbox {
  outbox = openSqliteOutbox(optionsIn(folder))
  return outbox
}

function close(): void {
  outbox?.close()
  outbox = undefined
}

/** Looks into, or changes, the closed store. */
function inFile<T>(work: (db: InstanceType<typeof Sqlite>) => T): T {
  const db = new Sqlite(optionsIn(folder).path)
  try {
    return work(db)
  } finally {
    db.close()
  }
}

function fill(groups: number): Outbox {
  const box = open()
  for (const i of range(0, 200 * groups)) box.append(fixAt(i))
  return box
}

function problems(): readonly string[] {
  const { path, keyFile } = optionsIn(folder)
  const reader = createStoreReader({ path, keyFile, compression })
  try {
    return reader.verify().problems
  } finally {
    reader.close()
  }
}

describe('a dictionary of compression', () => {
  it('is made of the first groups of an epoch, and those behind it take less room', () => {
    fill(20)
    close()
    const sizes = inFile((db) => db.prepare<[], number>('SELECT length(body) FROM run ORDER BY id').pluck().all())
    const seqs = inFile((db) => db.prepare<[], number>('SELECT seq FROM dictionary').pluck().all())
    expect(sizes).toHaveLength(20)
    expect(seqs).toHaveLength(1)
    const first = (seqs[0] ?? 0) - 1
    expect(sizes[first / 200]).toBeLessThan(0.8 * (sizes[first / 200 - 1] ?? 0))
    expect(readAll(open()).map(({ record }) => record)).toEqual(range(0, 4000).map(fixAt))
    expect(problems()).toEqual([])
  })

  it('that was altered takes the groups along that need it, and no other', () => {
    fill(20)
    close()
    const from = inFile((db) => {
      db.prepare('UPDATE dictionary SET body = zeroblob(length(body))').run()
      return db.prepare<[], number>('SELECT seq FROM dictionary').pluck().get() ?? 0
    })
    expect(problems()).toHaveLength(20 - (from - 1) / 200)
    const box = open()
    box.append(fixAt(7))
    box.flush()
    const read = readAll(box)
    expect(read.slice(0, from - 1).map(({ record }) => record)).toEqual(range(0, from - 1).map(fixAt))
    const gaps = read.slice(from - 1, -1).map(({ record }) => record)
    expect(gaps.every((record) => record.kind === 'gap' && record.reason === 'corrupt')).toBe(true)
    expect(gaps.reduce((sum, record) => sum + (record.kind === 'gap' ? record.count : 0), 0)).toBe(4000 - from + 1)
    expect(read.at(-1)?.record).toEqual(fixAt(7))
  })

  it('opens in its own epoch and at its own numbers only', () => {
    fill(12)
    close()
    fill(12)
    close()
    inFile((db) => {
      const [a, b] = db.prepare<[], { id: number; body: Buffer }>('SELECT id, body FROM dictionary ORDER BY id').all()
      const put = db.prepare('UPDATE dictionary SET body = ? WHERE id = ?')
      put.run(b?.body, a?.id)
      put.run(a?.body, b?.id)
    })
    expect(problems().length).toBeGreaterThan(2)
  })

  it('goes when no group needs it any more', () => {
    for (let opening = 0; opening < 3; opening++) {
      const box = fill(12)
      box.acknowledge(box.status().epoch, 2400)
      close()
    }
    const box = open()
    for (const i of range(0, 200 * 80)) box.append(bulkyFixAt(i))
    close()
    open()
    close()
    const left = inFile((db) => [
      db.prepare('SELECT DISTINCT epoch FROM dictionary').pluck().all(),
      db.prepare('SELECT DISTINCT epoch FROM run').pluck().all(),
    ])
    expect(left).toEqual([[4], [4]])
    expect(problems()).toEqual([])
  })
})
