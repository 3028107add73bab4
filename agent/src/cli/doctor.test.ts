import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { AgentConfig } from '../config.ts'
import { bleSourceSchema } from '../config-ble.ts'
import {
  checkAdapters,
  checkCapabilities,
  checkNode,
  checkPorts,
  checkSwitches,
  type Patient,
} from './doctor-checks.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'biotrakr-doctor-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const present = [{ index: 0, address: '001122334455', powered: true }]

function patient({ missing, ...parts }: Partial<Patient> & { missing?: string } = {}): Patient {
  const kernel = { adapters: async () => present, setPowered: async () => undefined, missingCapability: () => missing }
  return { nodeVersion: '24.1.0', kernel, rfkillDir: dir, nowMs: Date.now(), isAgentRunning: false, ...parts }
}

function configured(...adapters: object[]): AgentConfig {
  const source = bleSourceSchema.parse({ kind: 'ble', adapters })
  return { sources: [source] } as unknown as AgentConfig
}

describe('the doctor', () => {
  it.each([
    ['20.18.1', 'fail'],
    ['20.20.2', 'warn'],
    ['24.1.0', 'ok'],
  ])('says of Node %s: %s', async (nodeVersion, state) => {
    expect(await checkNode(patient({ nodeVersion }))).toMatchObject([{ state }])
  })

  it('lists the adapters that are there, and names a configured one that is not', async () => {
    const config = configured(
      { receiver: 'east', address: '00:11:22:33:44:55' },
      { receiver: 'west', address: 'AA-BB-CC-DD-EE-FF' },
    )
    expect(await checkAdapters(patient({ config }))).toMatchObject([
      { check: 'adapter hci0', state: 'ok' },
      { check: 'adapter aabbccddeeff', state: 'fail', meaning: 'it is not there: nothing is heard at west' },
    ])
  })

  it('takes a machine without Bluetooth for a fault only where Bluetooth is configured', async () => {
    const unsupported = new BioTrakrError('no Bluetooth', { code: 'BLE_UNSUPPORTED', next: 'Get some.' })
    const kernel = { ...patient().kernel, adapters: () => Promise.reject(unsupported) }
    const config = configured({ receiver: 'east', index: 0 })
    const stateOf = async (of: Patient) => (await checkAdapters(of)).map(({ state, mend }) => [state, mend])
    expect(await stateOf(patient({ kernel }))).toEqual([['warn', 'Get some.']])
    expect(await stateOf(patient({ kernel, config }))).toEqual([['fail', 'Get some.']])
    const none = { sources: [{ kind: 'dataset' }] } as unknown as AgentConfig
    expect(await stateOf(patient({ kernel, config: none }))).toEqual([])
  })

  it('names the capability that is missing and the way to get it', async () => {
    const [finding] = await checkCapabilities(patient({ missing: 'CAP_NET_RAW' }))
    expect(finding).toMatchObject({ state: 'warn', meaning: expect.stringContaining('CAP_NET_RAW') })
    expect(finding?.mend).toContain('AmbientCapabilities=CAP_NET_RAW')
    expect(await checkCapabilities(patient())).toMatchObject([{ state: 'ok' }])
  })

  it('tells a soft block from a hardware switch, and leaves other radios alone', async () => {
    const put = (name: string, files: Record<string, string>) => {
      mkdirSync(join(dir, name))
      for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, name, file), `${text}\n`)
    }
    put('rfkill0', { type: 'bluetooth', name: 'hci0', soft: '1', hard: '0' })
    put('rfkill1', { type: 'bluetooth', name: 'hci1', soft: '0', hard: '1' })
    put('rfkill2', { type: 'wlan', name: 'phy0', soft: '1', hard: '1' })
    put('rfkill3', { type: 'bluetooth', name: 'hci3', soft: '0', hard: '0' })
    const found = await checkSwitches(patient())
    expect(found.map(({ check, state }) => [check, state]).sort()).toEqual([
      ['switch of hci0', 'fail'],
      ['switch of hci1', 'fail'],
      ['switch of hci3', 'ok'],
    ])
    expect(found[0]?.mend).toBe('Run: rfkill unblock bluetooth')
  })

  it('looks for the serial controllers of the configuration', async () => {
    const config = configured({ receiver: 'east', port: dir }, { receiver: 'west', port: join(dir, 'nothing') })
    expect((await checkPorts(patient({ config }))).map(({ state }) => state)).toEqual(['ok', 'fail'])
  })
})
