import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { GatewayId, Reading, ReceiverId, TagId } from '@biotrakr/shared'
import { afterAll, afterEach, describe, expect, it } from 'vitest'

import { apiToken, apiTokenFile } from './api-token.ts'
import type { AgentConfig } from './config.ts'
import { type Ear, earOfAgent, earOfSimulation, type HeardNow, isAgentRunning } from './survey-ear.ts'
import { systemClock } from './system-clock.ts'
import { createLocalApi, type LocalApi } from './upkeep/local-api.ts'
import { createWindowStream } from './upkeep/window-stream.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'ear-'))
afterAll(() => rmSync(dataDir, { recursive: true }))
const running: (LocalApi | Ear)[] = []
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop()
})

const gateway = 'gw-test' as GatewayId
const tag = 'ble:c30000123456' as TagId
const window = {
  tag,
  atMs: 5,
  medium: 'BLE' as const,
  sightings: [{ receiver: 'rx' as ReceiverId, rssiDbm: -60, count: 1 }],
}

async function startAgent(token: string, port = 0) {
  const stream = createWindowStream()
  const health = () => ({ ok: true, gateway })
  const api = createLocalApi({
    host: '127.0.0.1',
    port,
    token,
    health,
    metrics: async () => '',
    windows: stream.serve,
    explain: () => undefined,
  })
  await api.start()
  running.push(api)
  const config = { api: { host: '127.0.0.1', port: api.port() }, dataDir, gateway } as unknown as AgentConfig
  return { stream, api, config }
}

describe('listening through the running agent', () => {
  it('hears what the agent hears, and goes on after the agent has restarted', async () => {
    const { stream, api, config } = await startAgent(apiToken(dataDir))
    expect(await isAgentRunning(config)).toBe(true)
    const [heard, troubles]: [HeardNow[], string[]] = [[], []]
    const ear = earOfAgent(config, { clock: { ...systemClock, after: (_, task) => systemClock.after(20, task) } })
    running.push(ear)
    await ear.start(
      (now) => heard.push(now),
      (words) => troubles.push(words),
    )
    stream.publish(() => ({ atMs: 5, windows: [{ ...window, room: '101', confidence: 990 }] }))
    await expect.poll(() => heard).toEqual([{ atMs: 5, windows: [{ ...window, room: '101', confidence: 990 }] }])
    await api.stop()
    await expect.poll(() => troubles.length).toBeGreaterThan(0)
    expect(troubles[0]).toMatch(/waiting for it to start again/)
    const again = await startAgent(apiToken(dataDir), config.api.port)
    await expect.poll(() => again.stream.listeners).toBe(1)
    again.stream.publish(() => ({ atMs: 6, windows: [] }))
    await expect.poll(() => heard.at(-1)).toEqual({ atMs: 6, windows: [] })
  })

  it('is refused without the token, in plain words', async () => {
    const { config } = await startAgent('another')
    await expect(
      earOfAgent(config, { clock: systemClock }).start(
        () => undefined,
        () => undefined,
      ),
    ).rejects.toThrow(/does not let us listen \(HTTP 401\)/)
  })

  it('takes nobody else for the agent', async () => {
    const { api, config } = await startAgent('x')
    expect(await isAgentRunning({ ...config, gateway: 'gw-other' as GatewayId })).toBe(false)
    await api.stop()
    expect(await isAgentRunning(config)).toBe(false)
  })

  it('keeps the token to the owner of the data, and refuses one that others can read', () => {
    const file = apiTokenFile(dataDir)
    expect(apiToken(dataDir)).toBe(apiToken(dataDir))
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const open = mkdtempSync(join(tmpdir(), 'ear-open-'))
    writeFileSync(apiTokenFile(open), 'known to all\n', { mode: 0o644 })
    expect(() => apiToken(open)).toThrow(/can be read by other users/)
    rmSync(open, { recursive: true })
  })
})

describe('listening to a simulation', () => {
  it('loses no second however fast the clock runs', async () => {
    let nowMs = 10_000
    const beats: (() => void)[] = []
    const clock = {
      ...systemClock,
      wallMs: () => nowMs,
      every: (_: number, task: () => void) => {
        beats.push(task)
        return { cancel: () => undefined }
      },
    }
    const readingsBetween = (fromMs: number): Reading[] => [
      { tag, receiver: 'rx' as ReceiverId, rssiDbm: -60, atMs: fromMs + 1, medium: 'BLE' },
    ]
    const heard: HeardNow[] = []
    const ear = earOfSimulation({ readingsBetween }, { words: '', clock, maxTags: 1 })
    await ear.start(
      (now) => heard.push(now),
      () => undefined,
    )
    nowMs = 40_500
    for (const beat of beats) beat()
    expect(heard.length).toBe(30)
    expect(heard.every(({ windows }) => windows.length === 1)).toBe(true)
    await ear.stop()
  })
})
