import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { parse } from 'yaml'

import { runCli } from './cli.ts'

let folder: string
let printed: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-config-'))
  printed = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text)
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    printed += String(text)
    return true
  })
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true, force: true })
})

const right = {
  gateway: 'gw-0001',
  dataDir: 'data',
  siteMap: 'site-map.yaml',
  tags: ['ble:c30000123456'],
  broker: { url: 'mqtts://broker.example:8883', passwordFile: 'broker.password' },
  sources: [
    {
      kind: 'reader',
      name: 'door',
      address: 'tcp://127.0.0.1:9',
      profile: 'thingmagic-mercury',
      antennas: { 1: 'rx' },
    },
  ],
}
const map = { version: 1, rooms: [{ id: '101' }], receivers: [{ id: 'rx', medium: 'RFID', room: '101' }] }

function write(config: object): string {
  writeFileSync(join(folder, 'site-map.yaml'), JSON.stringify(map))
  writeFileSync(join(folder, 'broker.password'), 'canary-of-the-broker\n', { mode: 0o600 })
  const file = join(folder, 'agent.yaml')
  writeFileSync(file, JSON.stringify(config))
  return file
}

const biotrakr = (...words: string[]) => runCli(['node', 'biotrakr', ...words])

describe('biotrakr config check', () => {
  it('is content with a configuration that is right', async () => {
    expect(await biotrakr('config', 'check', '-c', write(right))).toBe(0)
    expect(printed).toMatch(/is right: 1 sources, 1 tags/)
  })

  it('names every wrong key at once, each with its path', async () => {
    const wrong = { ...right, gateway: 'No', broker: { url: 'http://x' }, outbox: { maxMegabytes: 1 }, sorces: [] }
    expect(await biotrakr('config', 'check', '-c', write(wrong))).toBe(2)
    for (const path of ['gateway:', 'broker.url:', 'outbox.maxMegabytes:', 'sorces: unknown key']) {
      expect(printed).toContain(path)
    }
  })

  it('goes on to secrets, certificates and profiles, and names all of them', async () => {
    const [source] = right.sources
    const broker = { ...right.broker, caFile: 'nowhere.pem', certFile: 'none.pem', keyFile: 'none.key' }
    const file = write({ ...right, broker, sources: [{ ...source, profile: 'no-such-reader' }] })
    chmodSync(join(folder, 'broker.password'), 0o644)
    expect(await biotrakr('config', 'check', '--json', '-c', file)).toBe(2)
    const { ok, problems } = JSON.parse(printed)
    expect(ok).toBe(false)
    const text = problems.map((problem: { text: string }) => problem.text).join('\n')
    for (const part of ['chmod 600', 'nowhere.pem', 'none.pem', 'none.key', 'no-such-reader']) {
      expect(text).toContain(part)
    }
  })

  it('takes no login in an address, and no credential where none was handed over', async () => {
    const url = 'mqtts://user:pass@broker.example:8883'
    expect(await biotrakr('config', 'check', '-c', write({ ...right, broker: { url } }))).toBe(2)
    expect(printed).toContain('must not carry a user name or password')
    const broker = { ...right.broker, passwordFile: 'credential:broker-password' }
    expect(await biotrakr('config', 'check', '-c', write({ ...right, broker }))).toBe(2)
    // Root is sent to where systemd takes it from.
    expect(printed).toMatch(/credential broker-password is not there|credstore\/broker-password/)
  })

  it('finds a credential in the folder that the service manager names', async () => {
    const broker = { ...right.broker, passwordFile: 'credential:broker.password' }
    const file = write({ ...right, broker })
    vi.stubEnv('CREDENTIALS_DIRECTORY', folder)
    expect(await biotrakr('config', 'check', '-c', file)).toBe(0)
    vi.unstubAllEnvs()
  })
})

describe('biotrakr config show', () => {
  it('shows defaults, and neither secrets nor what reads like one', async () => {
    const [source] = right.sources
    const parameters = { accessPassword: 305_419_896, session: 1 }
    const file = write({ ...right, sources: [{ ...source, parameters }] })
    expect(await biotrakr('config', 'show', '-c', file)).toBe(0)
    const shown = parse(printed)
    expect(shown).toMatchObject({ outbox: { maxMegabytes: 700 }, log: { level: 'info' }, tags: '1 tags' })
    expect(shown.sources[0].parameters).toEqual({ accessPassword: '***', session: 1 })
    expect(printed).not.toContain('305419896')
    expect(printed).not.toContain('canary-of-the-broker')
  })
})

describe('biotrakr config schema and example', () => {
  it('print what editors and people need', async () => {
    expect(await biotrakr('config', 'schema')).toBe(0)
    expect(JSON.parse(printed).properties.gateway.description).toContain('Name of this gateway')
    printed = ''
    expect(await biotrakr('config', 'example')).toBe(0)
    expect(printed).toContain('gateway: gw-ward-3')
  })
})
