import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterEach, describe, expect, it } from 'vitest'

import { createLocalApi, type LocalApi } from './local-api.ts'
import { createMetrics } from './metrics.ts'

let api: LocalApi | undefined
afterEach(async () => {
  await api?.stop()
  api = undefined
})

async function startApi(health: { ok: boolean; why?: string }): Promise<string> {
  const metrics = createMetrics([{ name: 'readings_total', help: 'Readings taken.', read: () => 7 }])
  api = createLocalApi({ host: '127.0.0.1', port: 0, health: () => health, metrics: () => metrics.metrics() })
  await api.start()
  return `http://127.0.0.1:${api.port()}`
}

describe('the local API', () => {
  it('serves health with a status that a probe understands', async () => {
    const good = await fetch(`${await startApi({ ok: true })}/health`)
    expect([good.status, await good.json()]).toEqual([200, { ok: true }])
    await api?.stop()
    const bad = await fetch(`${await startApi({ ok: false, why: 'no commit ack' })}/health`)
    expect([bad.status, await bad.json()]).toEqual([503, { ok: false, why: 'no commit ack' }])
  })

  it('serves metrics in the Prometheus text format', async () => {
    const text = await (await fetch(`${await startApi({ ok: true })}/metrics`)).text()
    expect(text).toContain('biotrakr_agent_readings_total 7')
  })

  it('answers other paths and methods with the reason', async () => {
    const base = await startApi({ ok: true })
    expect((await fetch(`${base}/other`)).status).toBe(404)
    expect((await fetch(`${base}/health`, { method: 'POST' })).status).toBe(405)
  })

  it('names the port that is taken and what to do', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as AddressInfo
    const second = createLocalApi({ host: '127.0.0.1', port, health: () => ({ ok: true }), metrics: async () => '' })
    await expect(second.start()).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      next: expect.stringContaining('api.port'),
    })
    other.close()
  })
})
