import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

import { choosePort } from '@biotrakr/embedded'
import type { GatewayId } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'

import { startPlant } from '../src/plant.ts'
import type { Figure } from './figure.ts'

const SECONDS = 30
const gateway = 'bench-gateway' as GatewayId

/** Resident memory of a real agent process that follows 40 tags, sends, and has run for half a minute. */
export async function benchAgentMemory(): Promise<Figure[]> {
  const startMs = Date.now()
  const ward = createWard({ seed: 1, startMs })
  const plant = await startPlant({ gateway, siteMap: ward.siteMap, tags: ward.tags })
  try {
    const { port } = await choosePort(undefined)
    const config = plant.agentConfig({
      tags: ward.tags,
      siteMap: ward.siteMap,
      settings: { sources: [{ kind: 'simulated', seed: 1, startMs, tags: ward.tags.length }], api: { port } },
    })
    await plant.startProgram('agent', { bundle: 'agent', words: ['run', '--config', config], port })
    await sleep(SECONDS * 1000)
    const pid = readFileSync(plant.folder.at('run', 'agent.pid'), 'utf8').trim()
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const megabytes = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024
    const group = `agent process after ${SECONDS} s, 40 tags`
    return [
      { group, name: 'resident', value: megabytes('VmRSS'), unit: 'MB', goal: { atMost: 150 } },
      { group, name: 'resident, highest', value: megabytes('VmHWM'), unit: 'MB' },
    ]
  } finally {
    await plant.stop()
  }
}
