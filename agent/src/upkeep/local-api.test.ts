import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterEach, describe, expect, it } from 'vitest'

import { createExplainAnswer } from './explain-answer.ts'
import { createLocalApi, type LocalApi } from './local-api.ts'
import { createMetrics } from './metrics.ts'
import { createWindowStream } from './window-stream.ts'

const TOKEN = 'secret'
const HEARD = 'ble:c00000000001'
const stream = createWindowStream()

let api: LocalApi | undefined
afterEach(async () => {
  await api?.stop()
  api = undefined
})

async function startApi(health: { ok: boolean; why?: string }): Promise<string> {
  const metrics = createMetrics([{ name: 'readings_total', help: 'Readings taken.', read: () => 7 }])
  api = createLocalApi({
    host: '127.0.0.1',
    port: 0,
    token: TOKEN,
    health: () => health,
    metrics: () => metrics.metrics(),
    windows: stream.serve,
    explain: createExplainAnswer({ explain: (tag) => (tag === HEARD ? { tag, room: 'A' } : undefined) }),
  })
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

  it('explains a tag to whoever has the token, and knows nothing of others', async () => {
    const base = await startApi({ ok: true })
    const ask = async (tag: string, token: string) => {
      const headers = { authorization: `Bearer ${token}` }
      const response = await fetch(`${base}/explain?tag=${encodeURIComponent(tag)}`, { headers })
      return [response.status, response.status === 401 ? undefined : await response.json()]
    }
    expect(await ask(HEARD, TOKEN)).toEqual([200, { tag: HEARD, room: 'A' }])
    expect((await ask(HEARD, 'guessed'))[0]).toBe(401)
    expect((await ask('ble:c00000000002', TOKEN))[0]).toBe(404)
    expect((await ask('no tag', TOKEN))[0]).toBe(404)
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
    const second = createLocalApi({
      host: '127.0.0.1',
      port,
      token: TOKEN,
      health: () => ({ ok: true }),
      metrics: async () => '',
      windows: stream.serve,
    })
    await expect(second.start()).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      next: expect.stringContaining('api.port'),
    })
    other.close()
  })

  it('streams what is heard, a line a second, to those who know the token, and to few', async () => {
    const url = `${await startApi({ ok: true })}/windows`
    expect((await fetch(url)).status).toBe(401)
    expect((await fetch(url, { headers: { authorization: 'Bearer secres' } })).status).toBe(401)
    const headers = { authorization: 'Bearer secret' }
    const answers = await Promise.all([1, 2, 3, 4].map(() => fetch(url, { headers })))
    expect((await fetch(url, { headers })).status).toBe(503)
    stream.publish(() => ({ atMs: 7, windows: [{ tag: 'a' }] }))
    for (const answer of answers) {
      const reader = answer.body?.getReader()
      const { value } = (await reader?.read()) ?? {}
      expect(JSON.parse(Buffer.from(value ?? []).toString())).toEqual({ atMs: 7, windows: [{ tag: 'a' }] })
      await reader?.cancel()
    }
    await expect.poll(() => stream.listeners).toBe(0)
  })

  it('lets a listener go that does not keep up', async () => {
    const url = `${await startApi({ ok: true })}/windows`
    const answer = await fetch(url, { headers: { authorization: 'Bearer secret' } })
    const long = 'x'.repeat(1_000_000)
    for (let n = 0; n < 30; n++) stream.publish(() => ({ atMs: n, windows: [{ long }] }))
    expect([stream.listeners, stream.dropped]).toEqual([0, 1])
    await answer.body?.cancel().catch(() => undefined)
  })
})
