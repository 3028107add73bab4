import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
let folder: string
let store: string
let key: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-cli-'))
  store = join(folder, 'outbox.sqlite')
  key = join(folder, 'outbox.key')
  // Three epochs of 700 records: 630 positions, 70 sensor readings and presses; 450 of the first are confirmed.
  copyFileSync(here('../outbox/fixtures/version-1.sqlite'), store)
  copyFileSync(here('../outbox/fixtures/version-1.key'), key)
})
afterAll(() => rmSync(folder, { recursive: true }))

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

function biotrakr(...words: string[]): Promise<Ended> {
  const node = ['--conditions=biotrakr:source', '--import', 'tsx', here('../main.ts'), 'outbox', ...words]
  return new Promise((resolve) => {
    execFile(process.execPath, node, { maxBuffer: 1 << 24 }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err })
    })
  })
}

/** Each command is a process of its own, and several run in one test. */
const SLOW_MS = 120_000

describe('biotrakr outbox', { timeout: SLOW_MS }, () => {
  it('status tells rows, bytes, the oldest record and the buffer left, without the key', async () => {
    const { code, out } = await biotrakr('status', '--store', store, '--max-megabytes', '700', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      ...{ gateway: 'ward-3', epochs: 3, records: 2100, unconfirmed: 1650, maxBytes: 700 * 1_048_576 },
      oldestMs: expect.any(Number),
      lost: { telemetry: 0, sameRoom: 0, roomChange: 0, other: 0 },
    })
    const plain = await biotrakr('status', '--store', store)
    expect(plain.out).toMatch(/records +2100 in \d+ rows, 1650 not confirmed/)
  })

  it('verify finds a store whole, and names the group in which one bit was turned', async () => {
    const whole = await biotrakr('verify', '--store', store, '--key', key)
    expect(whole).toMatchObject({ code: 0, err: '' })
    expect(whole.out).toMatch(/^3 epochs, \d+ groups, 2100 sequence numbers: all whole\n$/)
    const bytes = readFileSync(store)
    const turned = Buffer.from(bytes)
    const at = turned.length - 300
    turned[at] = (turned[at] ?? 0) ^ 1
    const copy = join(folder, 'turned.sqlite')
    writeFileSync(copy, turned)
    const broken = await biotrakr('verify', '--store', copy, '--key', key, '--json')
    expect(broken.code).toBe(1)
    expect(JSON.parse(broken.out).problems).toEqual([expect.stringMatching(/^epoch \d, \d+ to \d+: cannot be opened$/)])
    const left = await biotrakr('export', '--store', copy, '--key', key)
    expect(left.code).toBe(1)
    expect(left.err).toMatch(/cannot be read/)
    expect(left.out.split('\n').length).toBeGreaterThan(1500)
  })

  it('export gives every record as JSON lines or CSV, or only what is not confirmed', async () => {
    const lines = (await biotrakr('export', '--store', store, '--key', key)).out.trim().split('\n')
    const rows = lines.map((line) => JSON.parse(line))
    expect(rows).toHaveLength(2100)
    expect(rows[0]).toMatchObject({ seq: 1, confirmed: true, kind: 'fix', tag: 'ble:c30000000010' })
    expect(rows.filter(({ kind }) => kind === 'event')).toHaveLength(21)
    const file = join(folder, 'records.csv')
    const words = ['--format', 'csv', '--unconfirmed', '--out', file]
    expect(await biotrakr('export', '--store', store, '--key', key, ...words)).toMatchObject({ code: 0, out: '' })
    const csv = readFileSync(file, 'utf8').trim().split('\n')
    expect(csv).toHaveLength(1651)
    expect(csv[0]).toMatch(/^epoch,seq,confirmed,kind,at,tag,/)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect((await biotrakr('export', '--store', store, '--key', key, ...words)).code).toBe(2)
  })

  it('explains a missing store, a missing key and a wrong one', async () => {
    expect(await biotrakr('status', '--store', join(folder, 'none'))).toMatchObject({ code: 1 })
    expect((await biotrakr('verify', '--store', store)).err).toMatch(/key of .* is needed/)
    const wrong = join(folder, 'wrong.key')
    writeFileSync(wrong, Buffer.alloc(32))
    const refused = await biotrakr('export', '--store', store, '--key', wrong)
    expect(refused).toMatchObject({ code: 1, out: '' })
    expect(refused.err).toMatch(/OUTBOX_KEY/)
    expect((await biotrakr('status')).code).toBe(2)
  })
})
