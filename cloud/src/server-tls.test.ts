import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { connect } from 'node:tls'

import type { Timer } from '@biotrakr/shared'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { systemClock } from './system-clock.ts'
import { createTestCentre, type TestCentre } from './test-centre.ts'
import { createAuthorityPairs, openAuthority } from './upkeep/authority.ts'

const TOKEN = 'a-token-of-at-least-sixteen-characters'
let centre: TestCentre
beforeAll(async () => {
  centre = await createTestCentre()
})
afterAll(() => centre.stop())

async function makeAuthority() {
  const nowMs = Date.now()
  const authority = await openAuthority(await createAuthorityPairs(nowMs))
  const pair = () =>
    authority.centre({ server: ['127.0.0.1', 'localhost'] }, { fromMs: nowMs - 60_000, untilMs: nowMs + 86_400_000 })
  return { ca: authority.centreCa, pair }
}

/** Its looks for a renewed certificate come when asked for. */
function lookingClock() {
  const looks: (() => void)[] = []
  const every = (periodMs: number, task: () => void): Timer => {
    if (periodMs !== 30_000) return systemClock.every(periodMs, task)
    looks.push(task)
    return { cancel: () => undefined }
  }
  return { clock: { ...systemClock, every }, look: () => looks.map((task) => task()) }
}

function ask(url: string, ca: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const agent = new Agent({ keepAlive: false, ca })
    const headers = { authorization: `Bearer ${TOKEN}` }
    request(url, { agent, headers }, resolve).on('error', reject).end()
  })
}

function shownBy(url: string, ca: string, options: object = {}): Promise<X509Certificate | undefined> {
  const { hostname: host, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port), ca, ...options }, () => {
      resolve(socket.getPeerX509Certificate())
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

describe('serve with a certificate of its own', () => {
  it('answers over TLS 1.3 alone, and takes a renewed pair while a stream goes on', async () => {
    const { ca, pair } = await makeAuthority()
    const { clock, look } = lookingClock()
    let files = await pair()
    const server = await centre.serve({ tls: () => files, token: TOKEN, clock })
    try {
      expect(server.url).toMatch(/^https:/)
      expect((await ask(`${server.url}/api/v1/rooms`, ca)).statusCode).toBe(200)
      await expect(shownBy(server.url, ca, { maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/i)

      const stream = await ask(`${server.url}/api/v1/stream`, ca)
      let heard = ''
      stream.setEncoding('utf8').on('data', (part: string) => (heard += part))
      await expect.poll(() => heard.length).toBeGreaterThan(0)
      const before = await shownBy(server.url, ca)
      const other = await pair()
      // The certificate is there and its key not yet: the pair before stays.
      files = { certificate: other.certificate, key: files.key }
      look()
      expect((await shownBy(server.url, ca))?.serialNumber).toBe(before?.serialNumber)
      files = other
      look()
      const after = await shownBy(server.url, ca)
      expect(after?.serialNumber).toBe(new X509Certificate(other.certificate).serialNumber)
      expect(after?.serialNumber).not.toBe(before?.serialNumber)
      const soFar = heard.length
      await centre.live('gw-marlow', { tag: 'ble:c30000000003', room: 'R1' })
      await expect.poll(() => heard.length, { timeout: 20_000 }).toBeGreaterThan(soFar)
      expect(stream.readableEnded).toBe(false)
      stream.destroy()
    } finally {
      await server.stop()
    }
  }, 60_000)

  it('refuses a certificate whose key is another one', async () => {
    const { pair } = await makeAuthority()
    const [one, two] = [await pair(), await pair()]
    const mixed = { certificate: one.certificate, key: two.key }
    await expect(centre.serve({ tls: () => mixed, token: TOKEN })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})
