import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Fix, type GatewayId, parseWhole, type ReceiverId, siteMapSchema, type TagId } from '@biotrakr/shared'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { stringify } from 'yaml'

import { outboxPath } from './agent.ts'
import { apiToken } from './api-token.ts'
import { recordRun } from './capture.ts'
import { runCli } from './cli/cli.ts'
import { readConfig } from './config.ts'
import { nodeCompression } from './node-compression.ts'
import { openSqliteOutbox } from './outbox/sqlite-outbox.ts'
import { createPipeline } from './pipeline.ts'
import { createExplainAnswer } from './upkeep/explain-answer.ts'
import { createLocalApi } from './upkeep/local-api.ts'

const dir = mkdtempSync(join(tmpdir(), 'explain-'))
afterAll(() => rmSync(dir, { recursive: true }))

const TAG = 'ble:c00000000001' as TagId
const GATEWAY = 'gw-explain' as GatewayId
const T0 = 1_760_000_000_000
const siteMap = parseWhole(
  siteMapSchema,
  {
    version: 7,
    rooms: [{ id: 'A' }, { id: 'B' }],
    receivers: [
      { id: 'a', medium: 'BLE', room: 'A' },
      { id: 'b', medium: 'BLE', room: 'B' },
    ],
    adjacency: [['A', 'B']],
  },
  { origin: 'map', code: 'SITE_INVALID', next: '-' },
)
const dataDir = join(dir, 'data')
const configFile = join(dir, 'agent.yaml')

function writeConfig(port: number): void {
  writeFileSync(join(dir, 'map.yaml'), stringify(siteMap))
  const source = { kind: 'simulated', startMs: T0 }
  const broker = { url: 'mqtt://127.0.0.1:1' }
  const parts = {
    gateway: GATEWAY,
    dataDir,
    siteMap: 'map.yaml',
    tags: [TAG],
    broker,
    sources: [source],
    api: { port },
  }
  writeFileSync(configFile, stringify(parts))
}
writeConfig(1)

/** The tag in room A for 30 s, then in B. */
const powersAt = (second: number): Readonly<Record<string, number>> =>
  second < 30 ? { a: -60, b: -84 } : { a: -84, b: -60 }

function eachReading(take: (receiver: ReceiverId, rssiDbm: number, atMs: number) => void, close: (ms: number) => void) {
  for (let second = 0; second < 60; second++) {
    const atMs = T0 + second * 1000 + 500
    for (const [receiver, rssiDbm] of Object.entries(powersAt(second))) take(receiver as ReceiverId, rssiDbm, atMs)
    close(T0 + (second + 1) * 1000)
  }
}

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text)
    return true
  })
  const code = await runCli(['node', 'biotrakr', 'explain', ...argv])
  stdout.mockRestore()
  stderr.mockRestore()
  return { code, out, err }
}

const settings = { siteMap, maxTags: 1, floorDbm: -95, ledger: 'change', keepAliveMs: 300_000 } as const

function livePipeline() {
  const pipeline = createPipeline(settings)
  const records: Fix[] = []
  eachReading(
    (receiver, rssiDbm, atMs) => pipeline.take({ tag: TAG, receiver, rssiDbm, atMs, medium: 'BLE' }, atMs),
    (nowMs) => records.push(...pipeline.close(nowMs).records),
  )
  return { pipeline, records }
}

describe('biotrakr explain', () => {
  it('asks the running agent', async () => {
    const { pipeline } = livePipeline()
    const api = createLocalApi({
      host: '127.0.0.1',
      port: 0,
      token: apiToken(dataDir),
      health: () => ({ ok: true, gateway: GATEWAY }),
      metrics: async () => '',
      windows: () => undefined,
      explain: createExplainAnswer({ explain: pipeline.explain }),
    })
    await api.start()
    writeConfig(api.port())
    const { code, out, err } = await run(TAG, '--config', configFile)
    const other = await run('ble:c00000000009', '--config', configFile)
    await api.stop()
    writeConfig(1)
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(/ble:c00000000001 at 2025-.*: B, \d/)
    expect(out).toMatch(/a +-84 dBm/)
    expect(other.code).toBe(1)
    expect(other.err).toContain('NOT_FOUND')
  })

  it('reads the store of an agent that is down, now and at a time, and writes nothing to it', async () => {
    const { records } = livePipeline()
    const config = readConfig(configFile)
    const outbox = openSqliteOutbox({
      path: outboxPath(dataDir),
      keyFile: config.outbox.keyFile ?? '',
      gateway: GATEWAY,
      maxBytes: 8 * 1_048_576,
      graceMs: 1000,
      compression: nodeCompression,
      clock: { wallMs: () => T0 },
    } as Parameters<typeof openSqliteOutbox>[0])
    for (const record of records) outbox.append(record)
    outbox.flush()
    const before = outbox.status().records
    const newest = await run(TAG, '--config', configFile)
    const earlier = await run(TAG, '--config', configFile, '--at', new Date(T0 + 20_000).toISOString(), '--json')
    expect(outbox.status().records).toBe(before)
    outbox.close()
    expect([newest.code, newest.err]).toEqual([0, ''])
    expect(newest.out).toMatch(
      /^2025-[^\n]*: B, [^\n]*\n {2}rooms: B \d.*\n {2}for the first against the second: .*a -84 dBm/,
    )
    const { records: kept } = JSON.parse(earlier.out)
    expect(kept[0].fix).toMatchObject({ tag: TAG, room: 'A', mapVersion: 7 })
    expect(kept[0].evidence.rooms[0][0]).toBe('A')
  })

  it('replays a capture up to a time', async () => {
    const path = join(dir, 'run.capture')
    const capture = recordRun({ path, maxBytes: 1e6, config: readConfig(configFile), startedMs: T0, run: 'r' })
    eachReading(
      (receiver, rssiDbm, atMs) => capture.took({ tag: TAG, receiver, rssiDbm, atMs, medium: 'BLE' }, atMs),
      (nowMs) => capture.closed(nowMs),
    )
    capture.end()
    const roomAt = async (...at: string[]) => JSON.parse((await run(TAG, '--capture', path, '--json', ...at)).out).room
    expect(await roomAt()).toBe('B')
    expect(await roomAt('--at', new Date(T0 + 20_000).toISOString())).toBe('A')
  })

  it('replays several captures of one run as one, and refuses those of two', async () => {
    const path = join(dir, 'long.capture')
    const wish = { maxBytes: 1_500, rotate: 50, config: readConfig(configFile), startedMs: T0 }
    const capture = recordRun({ ...wish, path, run: 'long' })
    eachReading(
      (receiver, rssiDbm, atMs) => capture.took({ tag: TAG, receiver, rssiDbm, atMs, medium: 'BLE' }, atMs),
      (nowMs) => capture.closed(nowMs),
    )
    capture.end()
    const { files } = capture.status()
    expect(files).toBeGreaterThan(1)
    const paths = Array.from({ length: files }, (_, n) => (n === 0 ? path : `${path}.${n + 1}`))
    const told = await run(TAG, '--json', '--capture', ...paths)
    expect([told.code, JSON.parse(told.out).room]).toEqual([0, 'B'])
    const other = await run(TAG, '--capture', path, join(dir, 'run.capture'))
    expect([other.code, other.err]).toEqual([1, expect.stringContaining('does not follow the file before it')])
  })

  it('replays a data set up to a second', async () => {
    const rows = Array.from({ length: 60 }, (_, s) =>
      Object.entries(powersAt(s)).map(([receiver, dbm]) => `one,${s * 1000},${receiver},c00000000001,${dbm},A`),
    )
    writeFileSync(join(dir, 'test.csv'), ['session,t_ms,receiver,tag,rssi,room', ...rows.flat()].join('\n'))
    writeFileSync(join(dir, 'meta.json'), JSON.stringify({ rooms: ['A', 'B'], receiver_room: { a: 'A', b: 'B' } }))
    expect(JSON.parse((await run(TAG, '--capture', dir, '--json')).out)).toMatchObject({ room: 'B' })
    expect(JSON.parse((await run(TAG, '--capture', dir, '--json', '--at', '20')).out)).toMatchObject({ room: 'A' })
  })

  it.each([
    ['what is no tag', ['badge 7', '--config', configFile], 'USAGE', 2],
    ['nobody to ask', [TAG], 'USAGE', 2],
    ['what is no time', [TAG, '--config', configFile, '--at', 'noon'], 'USAGE', 2],
    ['a capture that is not there', [TAG, '--capture', join(dir, 'none')], 'CAPTURE_UNREADABLE', 1],
  ])('refuses %s and says what to do', async (_, argv, code, exit) => {
    const { code: own, err } = await run(...argv)
    expect(own).toBe(exit)
    expect(err).toContain(code)
  })
})
