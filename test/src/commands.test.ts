import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

import { inspectOutbox, outboxPath } from '@biotrakr/agent'
import { choosePort, nodeProgram, productRoot, storedEpochs, tallyLedger } from '@biotrakr/embedded'
import type { GatewayId } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { type Plant, startPlant } from './plant.ts'

const gateway = 'commanded-gateway' as GatewayId
const startMs = Date.now()
const ward = createWard({ seed: 3, startMs, tags: 6 })
const [stranger, ...known] = ward.tags

let plant: Plant
beforeAll(async () => {
  plant = await startPlant({ gateway, siteMap: ward.siteMap, tags: known })
}, 120_000)
afterAll(() => plant.stop(), 60_000)

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function cloud(...words: string[]): Promise<Ended> {
  const { args, env } = nodeProgram('cloud', words)
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [...args],
      { cwd: productRoot, env: { ...process.env, ...env } },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr })
      },
    )
  })
}

async function tally() {
  return tallyLedger(
    inspectOutbox(outboxPath(plant.folder.at('agent'))).epochs,
    await storedEpochs(plant.pool, gateway),
  )
}

async function settled(): Promise<void> {
  for (let left = 1; left > 0; ) {
    await sleep(100)
    left = (await tally()).waiting
  }
}

describe('biotrakr-cloud', () => {
  it('says which migrations are applied', async () => {
    const { code, stdout } = await cloud(
      'migrate',
      'status',
      '--json',
      '--config',
      plant.folder.at('config/migrate.yaml'),
    )
    expect(code).toBe(0)
    const states = JSON.parse(stdout) as { state: string }[]
    expect(states.length).toBeGreaterThan(5)
    expect(new Set(states.map(({ state }) => state))).toEqual(new Set(['applied']))
  })

  it('keeps fixes of a tag that it does not know, and stores them once the tag is registered', async () => {
    const { port } = await choosePort(undefined)
    const sources = [{ kind: 'simulated', seed: 3, startMs, tags: 6 }]
    const settings = { sources, api: { port }, records: { ledger: 'all' } }
    const config = plant.agentConfig({ siteMap: ward.siteMap, tags: ward.tags, settings })
    await plant.startProgram('agent', { bundle: 'agent', words: ['run', '--config', config], port })
    while ((await tally()).quarantined === 0) await sleep(100)
    await plant.household.stop('agent')
    await settled()
    const before = await tally()
    expect(before).toMatchObject({ lost: 0, duplicated: 0 })
    expect(before.quarantined).toBeGreaterThan(0)

    const ingest = ['--json', '--config', plant.folder.at('config/ingest.yaml')]
    const listed = JSON.parse((await cloud('quarantine', 'list', ...ingest)).stdout) as { id: number; code: string }[]
    expect(new Set(listed.map(({ code }) => code))).toEqual(new Set(['TAG_UNKNOWN']))
    const shown = await cloud('quarantine', 'show', String(listed[0]?.id), ...ingest)
    expect(shown.stdout).toContain(stranger)

    const tooEarly = await cloud('quarantine', 'retry', '--all', ...ingest)
    expect(tooEarly.code).toBe(1)
    const site = plant.folder.write(
      'config/site.yaml',
      JSON.stringify({
        org: { slug: 'embedded', name: 'Plant' },
        facility: { code: 'plant', name: 'Plant', timeZone: 'UTC' },
        tags: [{ identity: stranger }],
      }),
    )
    const imported = await cloud('site', 'import', site, '--json', '--config', plant.folder.at('config/migrate.yaml'))
    expect(JSON.parse(imported.stdout)).toMatchObject({ created: 1 })
    const retried = await cloud('quarantine', 'retry', '--all', ...ingest)
    expect(retried.code).toBe(0)
    const after = await tally()
    expect(after).toMatchObject({ lost: 0, duplicated: 0, waiting: 0, quarantined: 0 })
    expect(after.committed).toBe(after.fixes)
  }, 120_000)

  it('explains a wrong command line, with exit code 2', async () => {
    expect(await cloud('ingest')).toMatchObject({ code: 2, stderr: expect.stringContaining('--config') })
    const both = await cloud('quarantine', 'retry', '1', '--all', '--config', plant.folder.at('config/ingest.yaml'))
    expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('not both') })
    expect(await cloud('migrate', '--config', 'missing.yaml')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('cannot read missing.yaml'),
    })
  })
})
