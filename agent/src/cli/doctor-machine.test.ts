import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { AgentConfig } from '../config.ts'
import type { Patient } from './doctor-checks.ts'
import { checkApiPort, checkClock, checkNative, checkReaders, checkStore } from './doctor-machine.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'biotrakr-doctor-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

function patient(config: object, parts: Partial<Patient> = {}): Patient {
  const whole = {
    dataDir: join(dir, 'state'),
    outbox: { maxMegabytes: 8, keyFile: join(dir, 'state', 'outbox.key') },
    broker: {},
    api: { host: '127.0.0.1', port: 0 },
    clock: { syncedFile: join(dir, 'synchronized') },
    sources: [],
    ...config,
  }
  return {
    config: whole as unknown as AgentConfig,
    nowMs: Date.now(),
    isAgentRunning: false,
    nodeVersion: '24.1.0',
    rfkillDir: dir,
    kernel: {} as Patient['kernel'],
    ...parts,
  }
}

describe('the doctor, of the machine', () => {
  it('loads every native module that the agent needs', async () => {
    expect((await checkNative(patient({}))).map(({ state }) => state)).toEqual(['ok', 'ok', 'ok'])
  })

  it('tells a clock that cannot be right from one that nobody has confirmed', async () => {
    expect(await checkClock(patient({}, { nowMs: 0 }))).toMatchObject([
      { state: 'fail', meaning: expect.stringContaining('1970-01-01'), mend: 'Run: timedatectl set-ntp true' },
    ])
    expect(await checkClock(patient({}))).toMatchObject([{ state: 'warn' }])
    writeFileSync(join(dir, 'synchronized'), '')
    expect(await checkClock(patient({}))).toMatchObject([{ state: 'ok' }])
  })

  it('finds too little room, a secret that others can read, and a store that is none', async () => {
    expect((await checkStore(patient({}))).map(({ check, state }) => [check, state])).toEqual([
      ['disk', 'ok'],
      ['store', 'ok'],
    ])
    const greedy = { maxMegabytes: 1_000_000_000, keyFile: join(dir, 'state', 'outbox.key') }
    expect((await checkStore(patient({ outbox: greedy })))[0]).toMatchObject({ state: 'warn', check: 'disk' })
    mkdirSync(join(dir, 'state'))
    writeFileSync(join(dir, 'state', 'outbox.key'), 'x'.repeat(32), { mode: 0o644 })
    writeFileSync(join(dir, 'state', 'outbox.sqlite'), 'not a database '.repeat(100))
    const [, secret, store] = await checkStore(patient({}))
    expect(secret).toMatchObject({ state: 'fail', mend: `Run: chmod 600 ${join(dir, 'state', 'outbox.key')}` })
    expect(store).toMatchObject({ check: 'store', state: 'fail', mend: expect.stringMatching(/\S/) })
  })

  it('names who listens at the port of the agent', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const [taken] = await checkApiPort(patient({ api: { host: '127.0.0.1', port } }))
    expect(taken).toMatchObject({ state: 'fail', meaning: expect.stringContaining(`(process ${process.pid})`) })
    const [own] = await checkApiPort(patient({ api: { host: '127.0.0.1', port } }, { isAgentRunning: true }))
    expect(own?.state).toBe('ok')
    server.close()
    await once(server, 'close')
    expect(await checkApiPort(patient({ api: { host: '127.0.0.1', port } }))).toMatchObject([{ state: 'ok' }])
  })

  it('names a reader whose profile is not there, whose line is not, and who holds it', async () => {
    const line = join(dir, 'ttyTest')
    const reader = { kind: 'reader', name: 'door', profile: 'no-such-profile', address: `serial:${line}` }
    const states = async () =>
      (await checkReaders(patient({ sources: [reader] }))).map(({ check, state }) => [check, state])
    expect(await states()).toEqual([
      ['profile of door', 'fail'],
      ['line of door', 'fail'],
    ])
    writeFileSync(line, '')
    expect((await states())[1]).toEqual(['line of door', 'ok'])
    const holder = spawn('sleep', ['60'], { stdio: [openSync(line, 'r'), 'ignore', 'ignore'] })
    await once(holder, 'spawn')
    const found = () => checkReaders(patient({ sources: [reader] }))
    await expect.poll(async () => (await found())[1]?.meaning).toContain(`sleep (process ${holder.pid}) holds`)
    holder.kill()
    await once(holder, 'exit')
  })
})
