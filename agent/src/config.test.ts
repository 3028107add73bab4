import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'

import { openCalibrations } from './calibration-store.ts'
import { readConfig, readSecret } from './config.ts'
import { fitSurvey } from './locate/fit.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'biotrakr-config-'))
  write('site.yaml', {
    version: 3,
    rooms: [{ id: 'Room 1' }],
    receivers: [{ id: 'rx-1', medium: 'BLE', room: 'Room 1' }],
  })
})
afterEach(() => rmSync(dir, { recursive: true }))

function write(name: string, content: unknown): string {
  const file = join(dir, name)
  writeFileSync(file, typeof content === 'string' ? content : stringify(content))
  return file
}

const good = {
  gateway: 'ward-3-east',
  dataDir: 'state',
  siteMap: 'site.yaml',
  tags: ['ble:c30000123456'],
  broker: { url: 'mqtt://127.0.0.1:1883', passwordFile: 'password' },
  sources: [{ kind: 'dataset', dir: 'recording' }],
}

function problemsOf(document: unknown): string {
  try {
    readConfig(write('agent.yaml', document))
  } catch (error) {
    if (error instanceof BioTrakrError) return `${error.code} ${error.message}`
    throw error
  }
  return 'accepted'
}

describe('the configuration', () => {
  it('fills in what is not said and resolves paths against its own folder', () => {
    const config = readConfig(write('agent.yaml', good))
    expect(config.siteMapDocument.version).toBe(3)
    expect(config.dataDir).toBe(join(dir, 'state'))
    expect(config.outbox).toMatchObject({ maxMegabytes: 700, graceHours: 24, keyFile: join(dir, 'state/outbox.key') })
    expect(config.sources[0]).toEqual({ kind: 'dataset', dir: join(dir, 'recording'), part: 'test' })
    expect(config.records).toEqual({ ledger: 'change', keepAliveSeconds: 300, live: true, liveSeconds: 1 })
    expect(config.broker.passwordFile).toBe(join(dir, 'password'))
  })

  it('takes the survey of the calibration that counts, and refuses a damaged one unless it is to be mended', () => {
    const folder = join(dir, 'state/calibration')
    const store = openCalibrations(folder)
    const survey = fitSurvey(readConfig(write('agent.yaml', good)).siteMapDocument, [])
    const made = { places: [], survey, mapVersion: 3, by: 'ann', note: '', atMs: 1 }
    store.add({ ...made, parent: null })
    const config = readConfig(join(dir, 'agent.yaml'))
    expect([config.calibration, config.calibrationVersion]).toEqual([folder, 1])
    expect(config.siteMapDocument.survey).toEqual(survey)
    writeFileSync(join(folder, 'v0001.json'), '{"format":')
    expect(problemsOf(good)).toMatch(/^CALIBRATION_INVALID .*cut off/)
    const { siteMapDocument } = readConfig(join(dir, 'agent.yaml'), { withCalibration: false })
    expect(siteMapDocument.survey).toBeUndefined()
  })

  it('reports every problem at once, each with its path', () => {
    const text = problemsOf({
      ...good,
      gateway: 'Ward/3',
      tags: ['ble:c30000123456', 'AA:BB'],
      sync: { window: 0, windw: 8 },
      outbox: { maxMegabytes: 1 },
      colour: 'blue',
    })
    expect(text).toMatch(/^CONFIG_INVALID .*agent\.yaml has 6 problems:/)
    for (const path of [
      'gateway: must be 3-63',
      'tags[1]: is not',
      'sync.window: ',
      'sync.windw: unknown key',
      'outbox.maxMegabytes: ',
      'colour: unknown key',
    ]) {
      expect(text).toContain(`\n  ${path}`)
    }
  })

  it('refuses an unencrypted broker on another machine, and a certificate without its key', () => {
    expect(problemsOf({ ...good, broker: { url: 'mqtt://broker.hospital.example' } })).toContain(
      'broker.url: must use mqtts://',
    )
    expect(problemsOf({ ...good, broker: { url: 'mqtts://broker.hospital.example', certFile: 'a.pem' } })).toContain(
      'broker.keyFile: certFile and keyFile belong together',
    )
    expect(problemsOf({ ...good, broker: { url: 'http://localhost' } })).toContain('broker.url: must be an mqtts://')
  })

  it('opens its own interface beyond this machine only with TLS', () => {
    expect(problemsOf({ ...good, api: { host: '0.0.0.0' } })).toContain(
      'api.host: other machines could connect, which takes certFile and keyFile (TLS) here; or use 127.0.0.1',
    )
    expect(problemsOf({ ...good, api: { certFile: 'a.pem' } })).toContain('api.keyFile: certFile and keyFile belong')
    write('agent.yaml', { ...good, api: { host: '0.0.0.0', certFile: 'a.pem', keyFile: 'a.key' } })
    expect(readConfig(join(dir, 'agent.yaml')).api).toMatchObject({ host: '0.0.0.0', certFile: join(dir, 'a.pem') })
  })

  it('names the site map when the mistake is there', () => {
    write('site.yaml', {
      version: 1,
      rooms: [{ id: 'A' }, { id: 'A' }],
      receivers: [{ id: 'r', medium: 'BLE', room: 'B' }],
    })
    const text = problemsOf(good)
    expect(text).toContain('site.yaml has 2 problems')
    expect(text).toContain('receivers[0].room: room "B" is not in rooms')
  })

  it('says which file cannot be read, and which is not YAML', () => {
    expect(() => readConfig(join(dir, 'missing.yaml'))).toThrow(/cannot read .*missing\.yaml/)
    expect(problemsOf('gateway: [unclosed')).toMatch(/CONFIG_INVALID .*agent\.yaml is not YAML/)
  })

  it('reads Bluetooth adapters, each by address, index or port', () => {
    const adapters = [{ receiver: 'rx-1', address: 'AA:BB:CC:DD:EE:FF', references: ['c3-00-00-12-34-56'] }]
    const config = readConfig(write('agent.yaml', { ...good, sources: [{ kind: 'ble', adapters, keysFile: 'keys' }] }))
    expect(config.sources[0]).toEqual({
      kind: 'ble',
      keysFile: join(dir, 'keys'),
      adapters: [
        {
          receiver: 'rx-1',
          address: 'aabbccddeeff',
          references: ['c30000123456'],
          mode: 'passive',
          userChannel: false,
          publicEventsOnly: false,
        },
      ],
    })
  })

  it('refuses two adapters on one controller, adapters without a place, and adapters in played time', () => {
    const twins = [
      { receiver: 'rx-1', address: 'AA:BB:CC:DD:EE:FF' },
      { receiver: 'rx-2', address: 'aabbccddeeff' },
      { receiver: 'rx-1', index: 1, port: '/dev/ttyUSB0' },
    ]
    const text = problemsOf({ ...good, sources: [{ kind: 'ble', adapters: twins }] })
    expect(text).toContain('sources[0].adapters[1]: has the target of adapters[0]')
    expect(text).toContain('sources[0].adapters[2]: has the receiver of adapters[0]')
    expect(text).toContain('sources[0].adapters[2]: needs exactly one of address, index and port')
    const lost = { kind: 'ble', adapters: [{ receiver: 'rx-9', index: 0 }] }
    expect(problemsOf({ ...good, sources: [lost] })).toContain('the site map does not name the receivers rx-9')
    const placed = { kind: 'ble', adapters: [{ receiver: 'rx-1', index: 0 }] }
    const time = { speed: 2, eventStartMs: 0, realStartMs: 0 }
    const both = problemsOf({ ...good, time, sources: [placed, placed] })
    expect(both).toContain('sources[1]: belongs into the first ble source')
    expect(both).toContain('time: is for replays')
  })

  it('reads readers, each with the receivers of its antennas, and a profile of the site by its file', () => {
    const reader = { kind: 'reader', name: 'door', address: 'serial:/dev/serial/by-id/usb-1', antennas: { 1: 'rx-1' } }
    const { sources } = readConfig(
      write('agent.yaml', {
        ...good,
        sources: [
          { ...reader, profile: 'thingmagic-mercury', region: 'ETSI', powerDbm: 20 },
          { ...reader, name: 'bed', address: 'tcp://10.0.0.7:4001', profile: './ours/profile.json' },
        ],
      }),
    )
    expect(sources).toEqual([
      { ...reader, profile: 'thingmagic-mercury', region: 'ETSI', powerDbm: 20, allowUnstablePath: false },
      {
        ...reader,
        name: 'bed',
        address: 'tcp://10.0.0.7:4001',
        profile: join(dir, 'ours/profile.json'),
        allowUnstablePath: false,
      },
    ])
  })

  it('refuses readers on one line, of one name, without an antenna, or in played time, each with its path', () => {
    const reader = { kind: 'reader', name: 'door', address: 'tcp://10.0.0.7:4001', profile: 'id12' }
    const time = { speed: 2, eventStartMs: 0, realStartMs: 0 }
    const problems = problemsOf({ ...good, time, sources: [reader, { ...reader, antennas: { 0: 'rx-1' } }] })
    expect(problems).toContain('sources[0].antennas')
    expect(problems).toContain('sources[1].antennas.0')
    const twins = { ...reader, antennas: { 1: 'rx-1' } }
    const refused = problemsOf({ ...good, time, sources: [twins, twins] })
    expect(refused).toContain('sources[1].name: is that of sources[0]')
    expect(refused).toContain('sources[1].address: is that of sources[0]')
    expect(refused).toContain('not for a reader source')
  })

  it('names every receiver that the site map lacks, of adapters and readers alike', () => {
    const reader = { kind: 'reader', name: 'door', address: 'tcp://10.0.0.7', profile: 'llrp' }
    const ble = { kind: 'ble', adapters: [{ receiver: 'rx-9', index: 0 }] }
    const problems = problemsOf({ ...good, sources: [ble, { ...reader, antennas: { 1: 'door/1', 2: 'rx-1' } }] })
    expect(problems).toContain('the site map does not name the receivers rx-9, door/1')
  })

  it('takes a secret only from a file that nobody else can read', () => {
    const file = write('password', 'tulip\n')
    chmodSync(file, 0o644)
    expect(() => readSecret(file)).toThrow(/can be read by other users/)
    chmodSync(file, 0o600)
    expect(readSecret(file)).toBe('tulip')
  })
})
