import { createServer, get } from 'node:http'
import { type AddressInfo, connect } from 'node:net'

import { afterEach, describe, expect, it } from 'vitest'

import { createEventStream } from './event-stream.ts'
import { createExplainAnswer } from './explain-answer.ts'
import { createLocalApi, type LocalApi } from './local-api.ts'
import { createMetrics } from './metrics.ts'
import { createPageAnswer } from './status-page.ts'
import { createWindowStream } from './window-stream.ts'

const TOKEN = 'secret'
const HEARD = 'ble:c00000000001'
const stream = createWindowStream()
const greeting = { event: 'places', data: { places: [{ tag: HEARD, room: 'A' }] } }
let live = createEventStream({ maxListeners: 2, greet: () => [greeting] })

let api: LocalApi | undefined
afterEach(async () => {
  live = createEventStream({ maxListeners: 2, greet: () => [greeting] })
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
    page: createPageAnswer(),
    live: live.serve,
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

  it('answers on loopback only to names of this machine, and to no page of another site', async () => {
    const base = await startApi({ ok: true })
    const statusOf = (path: string, headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve) => {
        get(`${base}${path}`, { headers }, (answer) => resolve(answer.resume().statusCode))
      })
    for (const host of ['127.0.0.1', 'localhost:9470', 'LOCALHOST', '[::1]:80']) {
      expect([host, await statusOf('/health', { host })]).toEqual([host, 200])
    }
    for (const host of [
      'rebound.example',
      'rebound.example:9470',
      '127.0.0.1.rebound.example',
      'a@127.0.0.1',
      '[::1',
    ]) {
      expect([host, await statusOf('/health', { host }), await statusOf('/', { host })]).toEqual([host, 421, 421])
    }
    for (const site of ['cross-site', 'same-site']) {
      expect(await statusOf('/health', { 'sec-fetch-site': site })).toBe(403)
      expect(await statusOf('/', { 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors' })).toBe(403)
      expect(await statusOf('/', { 'sec-fetch-site': site, 'sec-fetch-mode': 'navigate' })).toBe(200)
    }
  })

  it('lets no other site read, frame or add to its page', async () => {
    const answer = await fetch(`${await startApi({ ok: true })}/`)
    const policy = answer.headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; connect-src 'self'/,
    )
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/unsafe|\*|https?:/)
    expect(answer.headers.get('access-control-allow-origin')).toBeNull()
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    const html = await answer.text()
    expect(html).not.toMatch(/(?:src|href)="(?!data:)/)
    expect(html).toContain('<style>')
  })

  it('tells newest places to a few who have the token, and lets one go that does not read', async () => {
    const base = await startApi({ ok: true })
    expect((await fetch(`${base}/live`)).status).toBe(401)
    const headers = { authorization: `Bearer ${TOKEN}` }
    const reading = await fetch(`${base}/live`, { headers })
    expect(reading.headers.get('content-type')).toBe('text/event-stream')
    const { port } = new URL(base)
    const deaf = connect(Number(port), '127.0.0.1').pause()
    deaf.write(`GET /live HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`)
    await expect.poll(() => live.listeners).toBe(2)
    expect((await fetch(`${base}/live`, { headers })).status).toBe(503)
    let text = ''
    const heard = (async () => {
      for await (const part of reading.body ?? []) text += Buffer.from(part).toString()
    })().catch(() => undefined)
    const long = 'x'.repeat(100_000)
    for (let n = 0; live.dropped === 0; n++) {
      live.publish('places', () => ({ n, long }))
      await expect.poll(() => text.includes(`"n":${n},`)).toBe(true)
    }
    expect([live.listeners, live.dropped, live.refused]).toEqual([1, 1, 1])
    expect(text.startsWith(`retry: 2000\n\nevent: places\ndata: ${JSON.stringify(greeting.data)}\n\n`)).toBe(true)
    deaf.destroy()
    await api?.stop()
    await heard
  })
})
