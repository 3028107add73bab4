import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createWard } from '@biotrakr/sim'
import { pino } from 'pino'
import { describe, expect, it, vi } from 'vitest'

import { Agent } from './agent.ts'
import { runCli } from './cli/cli.ts'
import { createWardSource } from './cli/ward-source.ts'
import { readConfig } from './config.ts'
import { hasMosquitto, mustHaveAll, startMosquitto } from './sync/test-broker.ts'
import { systemClock } from './system-clock.ts'

const isMissing = !hasMosquitto && !mustHaveAll
const why = isMissing ? ' (skipped: mosquitto is not installed)' : ''

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

interface Said {
  readonly check: string
  readonly state: string
  readonly meaning: string
}

async function doctor(file: string): Promise<{ code: number; said: readonly Said[] }> {
  let text = ''
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((part) => {
    text += part
    return true
  })
  try {
    const code = await runCli(['node', 'biotrakr', 'doctor', '-c', file, '--json'])
    return { code, said: JSON.parse(text) }
  } finally {
    spy.mockRestore()
  }
}

describe.skipIf(isMissing)(`biotrakr doctor${why}`, () => {
  it('signs in where no agent runs, and asks the agent where one does, which keeps its connection', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'biotrakr-running-'))
    const broker = await startMosquitto()
    const ward = createWard({ seed: 7, startMs: Date.now() - 60_000, tags: 5 })
    const file = join(dir, 'agent.yaml')
    writeFileSync(join(dir, 'site.json'), JSON.stringify(ward.siteMap))
    const document = {
      gateway: 'gw-doctor',
      dataDir: 'state',
      siteMap: 'site.json',
      tags: ward.tags,
      broker: { url: broker.url },
      sources: [{ kind: 'simulated', startMs: 0 }],
      api: { port: await freePort() },
    }
    writeFileSync(file, JSON.stringify(document))
    const before = await doctor(file)
    expect(before.code).toBe(0)
    const brokerChecks = before.said
      .filter(({ check }) => check.startsWith('broker'))
      .map(({ check, state }) => [check, state])
    expect(brokerChecks).toEqual([
      ['broker: name', 'ok'],
      ['broker: port', 'ok'],
      ['broker: sign-in', 'ok'],
      ['broker: may read', 'ok'],
      ['broker: may write', 'ok'],
      ['broker: kept apart', 'warn'],
    ])
    const config = readConfig(file)
    const parts = { clock: systemClock, random: Math.random, log: pino({ enabled: false }) }
    const source = createWardSource(ward, { ...parts, allow: new Set(config.tags) })
    const agent = new Agent({ config, sources: [source], eventClock: systemClock, ...parts })
    await agent.start()
    try {
      await expect.poll(() => agent.health().sync.state, { timeout: 10_000 }).toBe('greeting')
      const { said } = await doctor(file)
      expect(said.map(({ check }) => check)).not.toContain('broker: sign-in')
      expect(said.find(({ check }) => check === 'centre, says the agent')?.meaning).toMatch(
        /^the agent is greeting|^no commit ack/,
      )
      expect(said.find(({ check }) => check.startsWith('port'))?.meaning).toBe('the agent runs and answers there')
      expect(agent.health().sync).toMatchObject({ connects: 1, state: 'greeting' })
    } finally {
      await agent.stop({ flushMs: 0 })
      await broker.stop()
      rmSync(dir, { recursive: true })
    }
  }, 60_000)
})
