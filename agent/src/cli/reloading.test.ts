import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { TagId } from '@biotrakr/shared'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { type AgentConfig, readConfig } from '../config.ts'
import { createReload } from './reloading.ts'

const [PUMP, BED] = ['ble:c30000000001', 'ble:c30000000002'] as [TagId, TagId]

let folder: string
let said: Record<string, unknown>[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-reload-'))
  said = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(change: object = {}, rooms: readonly string[] = ['101']): string {
  const map = { version: rooms.length, rooms: rooms.map((id) => ({ id })), receivers: [{ id: 'rx', medium: 'BLE' }] }
  writeFileSync(join(folder, 'site-map.yaml'), JSON.stringify(map))
  const file = join(folder, 'agent.yaml')
  const config = {
    gateway: 'gw-0001',
    dataDir: 'data',
    siteMap: 'site-map.yaml',
    tags: [PUMP],
    broker: { url: 'mqtts://broker.example:8883' },
    sources: [{ kind: 'ble', adapters: [{ receiver: 'rx', index: 0 }] }],
    ...change,
  }
  writeFileSync(file, JSON.stringify(config))
  return file
}

function rig({ isCaptured = false } = {}) {
  const file = write()
  const config = readConfig(file)
  const allow = new Set(config.tags)
  const taken: AgentConfig[] = []
  const levels: string[] = []
  const reload = createReload({
    file,
    config,
    allow,
    agent: { reconfigure: (next) => taken.push(next) },
    log: pino({ base: {} }, { write: (line) => said.push(JSON.parse(line)) }),
    setLevel: (level) => levels.push(level),
    isCaptured,
  })
  return { reload, allow, taken, levels }
}

const events = () => said.map(({ event }) => event)

describe('a reload', () => {
  it('takes over log level, allow-list, site map and records, for the sources as well', () => {
    const { reload, allow, taken, levels } = rig()
    write({ tags: [BED], log: { level: 'debug' }, records: { ledger: 'all' } }, ['101', '102'])
    reload()
    expect([...allow]).toEqual([BED])
    expect(levels).toEqual(['debug'])
    expect(taken[0]).toMatchObject({ records: { ledger: 'all' }, siteMapDocument: { version: 2 } })
    expect(said[0]).toMatchObject({
      event: 'config.reloaded',
      applied: expect.arrayContaining(['tags', 'log.level', 'records.ledger', 'siteMapDocument']),
    })
    expect(events()).toEqual(['config.reloaded'])
  })

  it('names what is in force after a restart only, at every reload until then', () => {
    const { reload } = rig()
    write({ sync: { window: 4 }, outbox: { maxMegabytes: 100 } })
    reload()
    reload()
    const waiting = said.filter(({ event }) => event === 'config.restart_needed')
    expect(waiting).toHaveLength(2)
    expect(waiting[1]).toMatchObject({ keys: ['outbox.maxMegabytes', 'sync.window'] })
  })

  it('changes nothing when the configuration is wrong', () => {
    const { reload, allow, taken } = rig()
    write({ tags: ['no tag'], log: { level: 'debug' } })
    reload()
    expect(events()).toEqual(['config.refused'])
    expect([...allow]).toEqual([PUMP])
    expect(taken).toEqual([])
  })

  it('leaves a run alone of which a capture is written, but for its log level', () => {
    const { reload, allow, levels } = rig({ isCaptured: true })
    write({ tags: [BED] })
    reload()
    expect(events()).toEqual(['config.restart_needed'])
    expect([...allow]).toEqual([PUMP])
    write({ log: { level: 'warn' } })
    reload()
    expect(levels).toEqual(['warn'])
  })

  it('takes no more tags than there is room for, and says so', () => {
    const { reload, allow } = rig()
    const many = Array.from({ length: 1_200 }, (_, i) => `ble:c3${String(i).padStart(10, '0')}`)
    write({ tags: many })
    reload()
    expect(allow.size).toBe(1_000)
    expect(said.at(-1)).toMatchObject({ event: 'config.restart_needed', keys: ['tags beyond 1000'] })
  })
})
