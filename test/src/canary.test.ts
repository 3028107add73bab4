import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { nodeProgram, productRoot } from '@biotrakr/embedded'
import { createWard } from '@biotrakr/sim'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

/** Planted where secrets are; found nowhere else. */
const PASSWORD = 'canary-5f0e8c1d-broker-password'
const STORE_KEY = 'canary-91d7-key-of-the-store----'

let folder: string
let broker: Server
let received: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-canary-'))
  received = ''
  // Takes the sign-in and says no: the agent then has something to complain about.
  broker = createServer((socket) => {
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1')
      socket.end(Buffer.from([0x20, 0x03, 0x00, 0x86, 0x00]))
    })
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => broker.listen(0, '127.0.0.1', resolve))
})
afterEach(() => {
  broker.close()
  rmSync(folder, { recursive: true, force: true })
})

function writeConfig(): string {
  const startMs = Date.now()
  const ward = createWard({ seed: 5, startMs, tags: 4 })
  const secret = (name: string, text: string) => writeFileSync(join(folder, name), `${text}\n`, { mode: 0o600 })
  secret('broker.password', PASSWORD)
  // A key is its bytes and nothing else.
  writeFileSync(join(folder, 'outbox.key'), STORE_KEY, { mode: 0o600 })
  writeFileSync(join(folder, 'site-map.json'), JSON.stringify(ward.siteMap))
  const address = broker.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const file = join(folder, 'agent.yaml')
  const config = {
    gateway: 'guarded-gateway',
    dataDir: 'data',
    siteMap: 'site-map.json',
    tags: ward.tags,
    broker: { url: `mqtt://127.0.0.1:${port}`, passwordFile: 'broker.password' },
    sources: [{ kind: 'simulated', seed: 5, startMs, tags: 4 }],
    api: { port: 0 },
    outbox: { keyFile: 'outbox.key' },
    log: { level: 'debug' },
  }
  writeFileSync(file, JSON.stringify(config))
  return file
}

/** Every file of the data folder, as text of single bytes. */
function everyByte(path: string): string {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n')
}

describe.skipIf(process.platform !== 'linux')('secrets of a running agent', () => {
  it('are in its log, arguments, environment and data folder nowhere, and no core file may be written by the units', async () => {
    const config = writeConfig()
    const { args, env } = nodeProgram('agent', ['run', '--config', config, '--flush-seconds', '0'])
    const child = spawn(process.execPath, [...args], { cwd: productRoot, env: { ...process.env, ...env } })
    let said = ''
    child.stdout.on('data', (part) => (said += String(part)))
    child.stderr.on('data', (part) => (said += String(part)))
    const ended = new Promise((resolve) => child.once('exit', resolve))
    while (!received.includes(PASSWORD)) await sleep(100)
    while (!said.includes('agent.started')) await sleep(100)
    await sleep(1_000)
    const argv = readFileSync(`/proc/${child.pid}/cmdline`, 'utf8')
    const environment = readFileSync(`/proc/${child.pid}/environ`, 'utf8')
    child.kill('SIGTERM')
    await ended
    const places = { said, argv, environment, data: everyByte(join(folder, 'data')) }
    for (const [place, text] of Object.entries(places)) {
      for (const secret of [PASSWORD, STORE_KEY]) expect(text.includes(secret), `${secret} in ${place}`).toBe(false)
    }
    for (const name of readdirSync(join(productRoot, 'systemd')).filter((each) => each.endsWith('.service'))) {
      expect(readFileSync(join(productRoot, 'systemd', name), 'utf8')).toContain('\nLimitCORE=0\n')
    }
  }, 60_000)

  it('are not shown by the commands that show the configuration', async () => {
    const config = writeConfig()
    for (const words of [
      ['config', 'show'],
      ['config', 'check', '--json'],
      ['doctor', '--json'],
    ]) {
      const { args, env } = nodeProgram('agent', [...words, '--config', config])
      const text = await new Promise<string>((resolve) => {
        execFile(
          process.execPath,
          [...args],
          { cwd: productRoot, env: { ...process.env, ...env } },
          (_error, out, err) => resolve(out + err),
        )
      })
      expect(text.length, words.join(' ')).toBeGreaterThan(20)
      for (const secret of [PASSWORD, STORE_KEY]) expect(text).not.toContain(secret)
    }
  }, 90_000)
})
