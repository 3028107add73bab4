import { request as httpRequest } from 'node:http'

import { type GatewayId, topics } from '@biotrakr/shared'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { skipWithoutMosquitto } from './ingest/test-broker.ts'
import { createTestCentre, FOREIGN_TAG, LABELS, liveMessage, OWN_TAGS, type TestCentre } from './test-centre.ts'
import { openStream, type StreamEvent } from './test-stream.ts'

const [PUMP = '', PUMP_2 = '', WHEELCHAIR = '', EPC = ''] = OWN_TAGS
const TOKEN = 'a-token-of-at-least-sixteen-characters'

let centre: TestCentre

beforeAll(async () => {
  centre = await createTestCentre()
})
afterAll(() => centre.stop())

const api = (path: string, init?: RequestInit) => fetch(`${centre.server.url}${path}`, init)
const location = (tag: string) => api(`/api/v1/tags/${encodeURIComponent(tag)}/location`)

async function problem(response: Response): Promise<Record<string, unknown>> {
  expect(response.headers.get('content-type')).toContain('application/problem+json')
  const body = (await response.json()) as Record<string, unknown>
  expect(body).toMatchObject({ type: `/problems/${String(body['code'])}`, status: response.status })
  expect(body['instance']).toBe(`urn:uuid:${response.headers.get('x-request-id')}`)
  expect(body['next']).toEqual(expect.any(String))
  return body
}

const shows =
  (tag: string, room: string | null) =>
  ({ data }: StreamEvent) =>
    data.rows?.some(([of, where]) => of === tag && where === room) ?? false

describe('where a tag is', () => {
  it('is its newest committed room, with since, confidence, place and map version', async () => {
    const atMs = Date.UTC(2026, 4, 1, 12)
    await centre.commit('marlow', { tag: PUMP, room: 'R1', atMs: atMs - 60_000 })
    await centre.commit('marlow', { tag: PUMP, room: 'R2', atMs, confidence: 875, xCm: 150, yCm: 200, accuracyCm: 75 })
    const response = await location(PUMP)
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.json()).toEqual({
      tag: PUMP,
      facility: '4-east',
      room: { code: 'R2', name: 'Room 2' },
      reason: 'none',
      confidence: 0.875,
      since: '2026-05-01T12:00:00.000Z',
      at: '2026-05-01T12:00:00.000Z',
      method: 'BLE',
      last_room: { code: 'R1', name: 'Room 1' },
      map_version: 1,
    })
  })

  it('is unknown with a reason, never a guess', async () => {
    await centre.commit('marlow', { tag: PUMP_2, room: null, reason: 'ambiguous', xCm: 150, yCm: 250, accuracyCm: 400 })
    expect(await (await location(PUMP_2)).json()).toMatchObject({
      room: null,
      reason: 'ambiguous',
      x_m: 1.5,
      y_m: 2.5,
      accuracy_m: 4,
    })
  })

  it('is not_heard for a tag that was never placed, whatever signs its identity has', async () => {
    expect(await (await location(EPC)).json()).toMatchObject({ tag: EPC, room: null, reason: 'not_heard', at: null })
  })

  it.each([
    ['no tag of this hospital', 'ble:c3000000abcd'],
    ["another hospital's tag", FOREIGN_TAG],
    ['nonsense', '../../etc/passwd'],
    ['something far too long', 'x'.repeat(400)],
  ])('is a 404 for %s', async (_what, tag) => {
    await centre.commit('other', { tag: FOREIGN_TAG, room: 'R1' })
    const response = await location(tag)
    expect(response.status).toBe(404)
    expect(await problem(response)).toMatchObject({ code: 'not-found' })
  })

  it("is this hospital's own answer for a tag that two hospitals registered", async () => {
    await centre.commit('other', { tag: WHEELCHAIR, room: 'R1' })
    await centre.commit('other', { tag: PUMP, room: 'R1', atMs: Date.now() })
    expect(await (await location(PUMP)).json()).toMatchObject({ room: { code: 'R2', name: 'Room 2' } })
  })
})

describe('lists', () => {
  it('come in pages that together hold every tag once', async () => {
    const seen: unknown[] = []
    let cursor = ''
    do {
      const response = await api(`/api/v1/tags?limit=3${cursor && `&cursor=${cursor}`}`)
      const { items, next } = (await response.json()) as { items: unknown[]; next: string | null }
      seen.push(...items)
      cursor = next ?? ''
    } while (cursor)
    expect(seen).toHaveLength(OWN_TAGS.length)
    expect(seen).toContainEqual({ id: PUMP, label: LABELS[PUMP], kind: 'ble', status: 'active' })
  })

  it('show rooms with the number of tags in each', async () => {
    const { items, next } = (await (await api('/api/v1/rooms')).json()) as { items: { code: string }[]; next: unknown }
    expect(next).toBeNull()
    expect(items.map(({ code }) => code)).toEqual(['R1', 'R10', 'R2'])
    expect(items[0]).toEqual({
      facility: '4-east',
      code: 'R1',
      name: 'Room 1',
      kind: 'other',
      tags: expect.any(Number),
    })
  })

  it.each([
    ['/api/v1/tags?colour=red', 'validation', '/colour'],
    ['/api/v1/tags?limit=201', 'validation', '/limit'],
    ['/api/v1/tags?limit=x', 'validation', '/limit'],
    [`/api/v1/tags/${PUMP}/location?at=now`, 'validation', '/at'],
    ['/api/v1/stream?topics=all', 'validation', '/topics'],
    ['/api/v1/tags?cursor=nonsense', 'cursor-mismatch', undefined],
    [`/api/v1/tags?cursor=${Buffer.from('"\\u0000"').toString('base64url')}`, 'cursor-mismatch', undefined],
    [`/api/v1/rooms?cursor=${Buffer.from('"ble:c30000000001"').toString('base64url')}`, 'cursor-mismatch', undefined],
  ])('answer %s with %s', async (path, code, pointer) => {
    const response = await api(path)
    expect(response.status).toBe(400)
    const body = await problem(response)
    expect(body['code']).toBe(code)
    if (pointer) expect(body['errors']).toMatchObject([{ pointer }])
  })
})

describe('every answer', () => {
  it('carries the security headers, also where nothing is found', async () => {
    for (const path of ['/', '/health', '/api/v1/tags', '/nothing']) {
      const { headers } = await api(path)
      expect(headers.get('content-security-policy')).toContain("default-src 'self'; script-src 'self'")
      expect(headers.get('content-security-policy')).not.toContain('unsafe')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
    }
  })

  it('is a problem for an address or a method that is not known, and its type leads to an explanation', async () => {
    for (const [path, method] of [
      ['/api/v2/tags', 'GET'],
      ['/api/v1/tags', 'DELETE'],
      ['/%zz', 'GET'],
    ] as const) {
      const body = await problem(await api(path, { method }))
      const explained = await api(String(body['type']))
      expect(await explained.text()).toContain(String(body['title']))
    }
  })

  it('is refused to a page of another site whose name leads to this machine', async () => {
    const { port } = new URL(centre.server.url)
    const status = (host: string) =>
      new Promise((resolve) => {
        httpRequest({ port, host: '127.0.0.1', path: '/api/v1/tags', headers: { host } }, (answer) => {
          answer.resume()
          resolve(answer.statusCode)
        }).end()
      })
    expect(await status('evil.example')).toBe(421)
    expect(await status(`localhost:${port}`)).toBe(200)
    expect(await status(`[::1]:${port}`)).toBe(200)
  })
})

describe('health and metrics', () => {
  it('name the mode of the database, the state of the schema and of the broker', async () => {
    await centre.database.ownerClient.query(
      `insert into rtls.job_run (job, started_at, ended_at, ok, detail) values
         ('backup', '2026-05-01Z', '2026-05-01Z', true, '{"oldestKeptAt": "2026-04-01T00:00:00Z"}'),
         ('backup', '2026-05-02Z', '2026-05-02Z', false, null), ('other', '2026-05-02Z', '2026-05-02Z', true, null)`,
    )
    expect((await api('/health')).status).toBe(200)
    // One document serves all who ask within a second.
    const health = async () => (await api('/health')).json()
    await expect.poll(health, { timeout: 5_000 }).toMatchObject({
      ok: true,
      org: 'marlow',
      database: {
        reachable: true,
        mode: 'plain',
        server: expect.stringMatching(/^\d+\.\d+/),
        migrations: 'current',
        replicas: 0,
        isReplica: false,
        backups: { newestAt: '2026-05-01T00:00:00.000Z', oldestAt: '2026-04-01T00:00:00Z', drilledAt: null },
        failedJobs: ['backup'],
      },
      assets: 0,
      assetsChangedAt: null,
      tags: OWN_TAGS.length,
    })
    expect(await (await api('/metrics')).text()).toContain(`biotrakr_serve_tags ${OWN_TAGS.length}`)
  })
})

describe('a server with a token', () => {
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

  it('answers only who has it, and says no more than "ok" of its health to others', async () => {
    const server = await centre.serve({ token: TOKEN })
    const ask = (path: string, init?: RequestInit) => fetch(`${server.url}${path}`, { redirect: 'manual', ...init })
    for (const path of ['/api/v1/tags', '/metrics', '/assets/live.js', '/api/v1/stream', '/nothing']) {
      expect((await ask(path)).status).toBe(401)
      expect((await ask(path, bearer(`${TOKEN}x`))).status).toBe(401)
    }
    expect(await problem(await ask('/api/v1/tags'))).toMatchObject({ code: 'unauthenticated' })
    expect((await ask('/api/v1/tags', bearer(TOKEN))).status).toBe(200)
    expect(Object.keys((await (await ask('/health')).json()) as object)).toEqual(['ok', 'status'])
    expect(await (await ask('/health', bearer(TOKEN))).json()).toMatchObject({ org: 'marlow' })
    await server.stop()
  })

  it('gives the page a cookie for it, which scripts cannot read', async () => {
    const server = await centre.serve({ token: TOKEN })
    const ask = (path: string, init?: RequestInit) => fetch(`${server.url}${path}`, { redirect: 'manual', ...init })
    const login = (token: string) => ask('/login', { method: 'POST', body: new URLSearchParams({ token }) })
    expect((await ask('/')).headers.get('location')).toBe('/login')
    expect((await ask('/login')).status).toBe(200)
    const refused = await login('wrong')
    expect([refused.status, refused.headers.get('set-cookie')]).toEqual([401, null])
    const cookie = (await login(TOKEN)).headers.get('set-cookie') ?? ''
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict$/)
    expect(cookie).not.toContain(TOKEN)
    const headers = { cookie: cookie.split(';')[0] ?? '' }
    expect((await ask('/', { headers })).status).toBe(200)
    expect((await ask('/api/v1/tags', { headers })).status).toBe(200)
    await server.stop()
  })

  it('does not start with one that is too short', async () => {
    await expect(centre.serve({ token: 'short' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})

describe('starting', () => {
  it('refuses an organisation that is not there', async () => {
    await expect(centre.serve({ org: 'nobody' })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('"nobody"'),
    })
  })

  it('refuses a database user whom row security does not bind', async () => {
    const database = centre.database.options('owner')
    await expect(centre.serve({ database })).rejects.toMatchObject({ code: 'DATABASE_PRIVILEGE' })
  })

  it('says which port is taken', async () => {
    const port = Number(new URL(centre.server.url).port)
    await expect(centre.serve({ port })).rejects.toMatchObject({ code: 'PORT_IN_USE' })
  })
})

describe('the stream of a server without a broker', () => {
  it('still tells what is committed, read again every few seconds', async () => {
    const server = await centre.serve({ broker: { url: 'mqtt://127.0.0.1:1' } })
    const stream = await openStream(server.url)
    await centre.commit('marlow', { tag: WHEELCHAIR, room: 'R10', atMs: Date.now() })
    await stream.until(shows(WHEELCHAIR, 'R10'))
    const health = (await (await fetch(`${server.url}/health`)).json()) as object
    expect(health).toMatchObject({ ok: true, status: 'degraded', broker: { connected: false } })
    stream.close()
    await server.stop()
  })
})

describe.skipIf(skipWithoutMosquitto)('live positions through a real mosquitto (skipped where none is found)', () => {
  it('reach the stream and the location before they are committed', async () => {
    const stream = await openStream(centre.server.url)
    await stream.until(({ event }) => event === 'positions')
    await centre.live('gw-marlow', { tag: PUMP, room: 'R10', atMs: Date.now() })
    await stream.until(shows(PUMP, 'R10'))
    expect(await (await location(PUMP)).json()).toMatchObject({
      room: { code: 'R10', name: 'Room 10' },
      last_room: { code: 'R2', name: 'Room 2' },
    })
    stream.close()
  })

  it('resume where a viewer left off', async () => {
    const first = await openStream(centre.server.url)
    await centre.live('gw-marlow', { tag: PUMP, room: 'R1', atMs: Date.now() })
    const { id = '' } = await first.until(shows(PUMP, 'R1'))
    first.close()
    await centre.live('gw-marlow', { tag: WHEELCHAIR, room: 'R2', atMs: Date.now() })
    const second = await openStream(centre.server.url, { 'last-event-id': id })
    await second.until(shows(WHEELCHAIR, 'R2'))
    expect(second.events.map(({ event }) => event)).not.toContain('resync')
    second.close()
    const third = await openStream(centre.server.url, { 'last-event-id': 'another-1' })
    await third.until(shows(WHEELCHAIR, 'R2'))
    expect(third.events.map(({ event }) => event)).toContain('resync')
    third.close()
  })

  it('of another hospital, of unknown things, and messages that cannot be read are counted and shown to nobody', async () => {
    const stream = await openStream(centre.server.url)
    await stream.until(({ event }) => event === 'positions')
    const own = topics.live('gw-marlow' as GatewayId)
    const whole = liveMessage('gw-marlow', [{ tag: PUMP, room: 'R1' }])
    await centre.live('gw-other', { tag: FOREIGN_TAG, room: 'R1' }, { tag: PUMP_2, room: 'R1' })
    await centre.live('gw-marlow', { tag: FOREIGN_TAG, room: 'R1' }, { tag: PUMP_2, room: 'Their room' })
    await centre.live('gw-marlow', { tag: PUMP_2, room: 'R1', atMs: Date.now() + 3_600_000 })
    await centre.publish(own, liveMessage('gw-other', [{ tag: PUMP_2, room: 'R1' }]))
    await centre.publish(own, whole.subarray(0, whole.length - 3))
    await centre.publish(own, '{"room":"R1"}')
    await centre.publish(own, '')
    await centre.publish('biotrakr/v1/NOT A GATEWAY/up/live', whole)
    await centre.live('gw-marlow', { tag: EPC, room: 'R1', atMs: Date.now() })
    await stream.until(shows(EPC, 'R1'))
    const rows = stream.events.flatMap(({ data }) => data.rows ?? [])
    expect(rows.filter(([tag]) => tag === FOREIGN_TAG)).toEqual([])
    expect(rows.filter(([tag, room]) => tag === PUMP_2 && room !== null)).toEqual([])
    expect((await location(FOREIGN_TAG)).status).toBe(404)
    const metrics = await (await api('/metrics')).text()
    expect(metrics).toContain('live_messages_total{result="foreign"} 1\n')
    expect(metrics).toContain('live_messages_total{result="unreadable"} 4\n')
    expect(metrics).toContain('live_messages_total{result="badTopic"} 1\n')
    expect(metrics).toContain('live_fixes_total{result="unknownTag"} 1\n')
    expect(metrics).toContain('live_fixes_total{result="unknownRoom"} 1\n')
    expect(metrics).toContain('live_fixes_total{result="ahead"} 1\n')
    stream.close()
  })
})

describe('a server whose database goes away', () => {
  it('says so in its health and in every answer that needs it, and stays up', async () => {
    const lonely = await createTestCentre()
    await lonely.commit('marlow', { tag: PUMP, room: 'R1' })
    await lonely.stopDatabase()
    const ask = (path: string) => fetch(`${lonely.server.url}${path}`)
    const health = await ask('/health')
    expect(health.status).toBe(503)
    expect(await health.json()).toMatchObject({ ok: false, status: 'down', database: { reachable: false } })
    for (const path of ['/api/v1/tags', '/api/v1/rooms', `/api/v1/tags/${PUMP}/location`]) {
      const response = await ask(path)
      expect(response.status).toBe(503)
      expect(response.headers.get('retry-after')).toBe('5')
      expect(await problem(response)).toMatchObject({ code: 'database-down' })
    }
    expect((await ask('/')).status).toBe(200)
    await lonely.stop()
  })
})
