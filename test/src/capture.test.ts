import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { inflateRawSync } from 'node:zlib'

import { nodeCompression } from '@biotrakr/agent'
import { choosePort, nodeProgram, productRoot } from '@biotrakr/embedded'
import { decodeBatch, formatEpoch, type GatewayId, type LedgerRecord, seqSpan } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { listenTo } from './ble-gateway.ts'
import { hasMosquitto, itNeeding } from './needs.ts'
import { startPlant } from './plant.ts'

const startMs = Date.now() - 3_600_000
const ward = createWard({ seed: 5, startMs, tags: 8 })
const [stranger = '', ...known] = ward.tags
const gateway = 'capture-gateway' as GatewayId

/** Settings of an agent on the simulated ward, `speed` times as fast as real. */
function wardSettings(speed: number, port: number) {
  return {
    sources: [{ kind: 'simulated', seed: 5, startMs, tags: 8 }],
    time: { speed, eventStartMs: startMs, realStartMs: Date.now() },
    records: { keepAliveSeconds: 5 },
    api: { port },
    log: { level: 'error' },
  }
}

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function biotrakr(...words: string[]): Promise<Ended> {
  const { args, env } = nodeProgram('agent', words)
  const options = { cwd: productRoot, env: { ...process.env, ...env }, maxBuffer: 64 * 1_048_576 }
  return new Promise((resolve) => {
    execFile(process.execPath, [...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr })
    })
  })
}

/** Where each block begins, and what it says. */
function blocksOf(file: Buffer): { readonly at: number; readonly text: string }[] {
  const blocks: { at: number; text: string }[] = []
  for (let at = 6; at < file.length; ) {
    const length = file.readUInt32LE(at + 1)
    blocks.push({ at, text: inflateRawSync(file.subarray(at + 13, at + 13 + length)).toString() })
    at += 13 + length
  }
  return blocks
}

/** A record as `replay` prints it: evidence is bytes on the line, hex in JSON. */
function asPrinted(record: LedgerRecord): object {
  const evidence = record.kind === 'fix' ? record.evidence : undefined
  return { as: 'record', ...record, ...(evidence && { evidence: Buffer.from(evidence).toString('hex') }) }
}

describe('a capture of the simulated ward', () => {
  const folder = mkdtempSync(join(tmpdir(), 'biotrakr-capture-'))
  const at = (name: string) => join(folder, name)
  let recorded: Ended

  beforeAll(async () => {
    writeFileSync(at('map.yaml'), JSON.stringify(ward.siteMap))
    const broker = { url: 'mqtt://127.0.0.1:1' }
    const base = { gateway, dataDir: at('data'), siteMap: at('map.yaml'), tags: known, broker }
    writeFileSync(at('agent.yaml'), JSON.stringify({ ...base, ...wardSettings(10, 0) }))
    recorded = await biotrakr('record', '-c', at('agent.yaml'), '-o', at('cap'), '--for', '4', '--answers')
  }, 60_000)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('gives the same answers each time, byte for byte, and those that were given while it was recorded', async () => {
    expect(recorded).toMatchObject({ code: 0, stderr: expect.stringMatching(/^\d+ readings, \d+ bytes in 1 file\n$/) })
    expect(recorded.stdout.split('\n').length).toBeGreaterThan(50)
    const [once, again] = [await biotrakr('replay', at('cap')), await biotrakr('replay', at('cap'))]
    expect(once).toMatchObject({ code: 0, stderr: expect.stringContaining('it is whole') })
    expect(once.stdout).toBe(recorded.stdout)
    expect(again.stdout).toBe(once.stdout)
    const records = await biotrakr('replay', at('cap'), '--only', 'record', '--json')
    const summary = JSON.parse(records.stderr)
    expect(records.stdout.trim().split('\n')).toHaveLength(summary.records)
    expect(summary).toMatchObject({ gateway, end: 'whole', beginsLate: false })
  }, 60_000)

  it('is for its owner only, and holds no tag that is not on the allow-list', () => {
    expect(statSync(at('cap')).mode & 0o777).toBe(0o600)
    const text = blocksOf(readFileSync(at('cap')))
      .map((block) => block.text)
      .join('\n')
    for (const tag of known) expect(text).toContain(tag)
    expect(text).not.toContain(stranger)
    expect(text).not.toContain(stranger.slice(stranger.indexOf(':') + 1))
  })

  it('is read up to where it was cut off, and up to where it is damaged', async () => {
    const whole = readFileSync(at('cap'))
    const blocks = blocksOf(whole)
    expect(blocks.length).toBeGreaterThan(4)
    const third = blocks[3]?.at ?? 0
    writeFileSync(at('cut'), whole.subarray(0, third + 20))
    const damaged = Buffer.from(whole)
    damaged.writeUInt8(damaged.readUInt8(third + 20) ^ 1, third + 20)
    writeFileSync(at('damaged'), damaged)
    const [cut, broken] = [await biotrakr('replay', at('cut')), await biotrakr('replay', at('damaged'))]
    expect(cut).toMatchObject({ code: 0, stderr: expect.stringContaining('it was cut off') })
    expect(broken).toMatchObject({ code: 1, stderr: expect.stringContaining('it is damaged') })
    expect(cut.stdout.length).toBeGreaterThan(0)
    expect(recorded.stdout.startsWith(cut.stdout)).toBe(true)
    expect(broken.stdout).toBe(cut.stdout)
    writeFileSync(at('empty'), whole.subarray(0, 9))
    expect(await biotrakr('replay', at('empty'))).toMatchObject({ code: 1, stdout: '' })
  }, 60_000)

  it('does not write over a file', async () => {
    const again = await biotrakr('record', '-c', at('agent.yaml'), '-o', at('cap'), '--for', '1')
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('Name a file that is not there yet') })
  }, 30_000)
})

describe('a capture of a whole agent', () => {
  itNeeding(hasMosquitto, 'mosquitto')(
    'gives the records that the agent sent to the centre, in their order',
    async () => {
      const plant = await startPlant({ gateway, siteMap: ward.siteMap, tags: known, broker: 'mosquitto' })
      const client = await listenTo(plant)
      const sent = new Map<string, LedgerRecord>()
      client.on('message', (_, payload) => {
        const verdict = decodeBatch(payload, nodeCompression)
        if (!verdict.ok) return
        let seq = verdict.batch.first
        for (const record of verdict.batch.records) {
          sent.set(`${formatEpoch(verdict.batch.epoch)} ${String(seq).padStart(9, '0')}`, record)
          seq += seqSpan(record)
        }
      })
      try {
        const { port } = await choosePort(undefined)
        const config = plant.agentConfig({ siteMap: ward.siteMap, tags: known, settings: wardSettings(10, port) })
        const file = plant.folder.at('run.cap')
        const { args, env } = nodeProgram('agent', ['run', '-c', config, '--record', file])
        const agent = spawn(process.execPath, [...args], { cwd: productRoot, env: { ...process.env, ...env } })
        while (sent.size < 40) await sleep(100)
        agent.kill('SIGTERM')
        await once(agent, 'exit')
        const replayed = await biotrakr('replay', file, '--only', 'record')
        const lines = replayed.stdout.trim().split('\n')
        const kinds = new Set(['fix', 'sensor', 'event'])
        const inOrder = [...sent].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record)
        const fromAgent = inOrder.filter(({ kind }) => kinds.has(kind)).map(asPrinted)
        expect(fromAgent.length).toBeGreaterThan(30)
        expect(lines.map((line) => JSON.parse(line))).toEqual(fromAgent)
      } finally {
        await client.endAsync()
        await plant.stop()
      }
    },
    120_000,
  )
})
