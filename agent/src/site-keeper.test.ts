import { generateKeyPairSync, sign } from 'node:crypto'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Clock, siteToSign } from '@biotrakr/shared'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { cachedProfile, readCachedSite, siteFolder } from './site-cache.ts'
import { createSiteKeeper } from './site-keeper.ts'

const keys = generateKeyPairSync('ed25519')
const stranger = generateKeyPairSync('ed25519')
const silent = pino({ level: 'silent' })

function siteOf(version: number, change: object = {}) {
  const siteMap = { version, rooms: [{ id: '101' }], receivers: [], adjacency: [] }
  return { format: 1, gateway: 'gw-0001', version, siteMap, tags: ['ble:c30000123456'], profiles: {}, ...change }
}

function signed(site: object, by = keys.privateKey): string {
  const document = JSON.stringify(site)
  return JSON.stringify({ document, signature: sign(null, siteToSign(document), by).toString('base64') })
}

/** Time that is moved by hand; a task that is due runs, and its work is waited for by the test. */
function handClock() {
  let nowMs = 1_000
  let task: (() => void) | undefined
  const clock: Clock = {
    wallMs: () => nowMs,
    monoMs: () => nowMs,
    after: (_ms, work) => {
      task = work
      return { cancel: () => (task = undefined) }
    },
    every: () => {
      throw new Error('nothing here is periodic')
    },
  }
  return { clock, pass: (ms: number) => (nowMs += ms), fire: () => task?.() }
}

let folder: string
let server: Server
let answer: { status: number; body: string; etag?: string }
let asked: { path: string; auth: string | undefined; etag: string | undefined }[]
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-site-'))
  writeFileSync(join(folder, 'site.pem'), keys.publicKey.export({ type: 'spki', format: 'pem' }))
  writeFileSync(join(folder, 'token'), 'gateway-token\n', { mode: 0o600 })
  asked = []
  server = createServer((request, response) => {
    const { authorization, 'if-none-match': etag } = request.headers
    asked.push({ path: request.url ?? '', auth: authorization, etag })
    const isHeld = answer.etag !== undefined && etag === answer.etag
    response.writeHead(isHeld ? 304 : answer.status, { ...(answer.etag && { etag: answer.etag }) })
    response.end(isHeld ? undefined : answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  rmSync(folder, { recursive: true, force: true })
})

function keeper() {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const siteKeyFile = join(folder, 'site.pem')
  const centre = { url, siteKeyFile, tokenFile: join(folder, 'token'), refreshMinutes: 15 }
  const time = handClock()
  let taken = 0
  const made = createSiteKeeper({
    config: { gateway: 'gw-0001', dataDir: folder, centre },
    clock: time.clock,
    random: () => 0.5,
    log: silent,
    onNew: () => (taken += 1),
  })
  const held = () => readCachedSite(siteFolder(folder), { gateway: 'gw-0001', siteKeyFile })
  /** One round of the keeper's own timer. */
  const round = async () => {
    const before = asked.length
    time.fire()
    while (asked.length === before) await new Promise((resolve) => setImmediate(resolve))
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  return { ...made, ...time, held, round, taken: () => taken }
}

describe('the site that the centre gives', () => {
  it('is asked for with the token, checked, kept with its profiles, and not sent twice', async () => {
    const { refresh, held, taken, status } = keeper()
    answer = { status: 200, body: signed(siteOf(3, { profiles: { 'own-reader': { id: 'own-reader' } } })), etag: '"3"' }
    await refresh()
    expect(held()).toMatchObject({ version: 3, tags: ['ble:c30000123456'] })
    expect(JSON.parse(readFileSync(cachedProfile(siteFolder(folder), 'own-reader'), 'utf8'))).toEqual({
      id: 'own-reader',
    })
    await refresh()
    expect(asked).toEqual([
      { path: '/api/v1/gateways/gw-0001/site', auth: 'Bearer gateway-token', etag: undefined },
      { path: '/api/v1/gateways/gw-0001/site', auth: 'Bearer gateway-token', etag: '"3"' },
    ])
    expect(taken()).toBe(1)
    expect(status()).toMatchObject({ version: 3, refused: 0, problem: undefined })
  })

  it.each([
    ['signed by somebody else', () => signed(siteOf(4), stranger.privateKey), 'SITE_SIGNATURE'],
    ['changed after it was signed', () => signed(siteOf(4)).replace('c30000123456', 'c30000123457'), 'SITE_SIGNATURE'],
    ['older than the one in use', () => signed(siteOf(2)), 'SITE_OUTDATED'],
    ['of another gateway', () => signed(siteOf(4, { gateway: 'gw-0002' })), 'SITE_INVALID'],
    [
      'of a map that contradicts itself',
      () => signed(siteOf(4, { siteMap: { version: 4, rooms: [] } })),
      'SITE_INVALID',
    ],
    ['a page of a captive portal', () => '<html>Please sign in</html>', 'SITE_INVALID'],
    ['cut off', () => signed(siteOf(4)).slice(0, -20), 'SITE_INVALID'],
  ])('is refused and reported when it is %s, and the last good one stays', async (_what, body, code) => {
    const { start, refresh, round, held, taken, status } = keeper()
    answer = { status: 200, body: signed(siteOf(3)) }
    await refresh()
    answer = { status: 200, body: body() }
    await expect(refresh()).rejects.toMatchObject({ code })
    start()
    await round()
    expect(status()).toMatchObject({ version: 3, refused: 1, problem: { code } })
    expect(held()?.version).toBe(3)
    expect(taken()).toBe(1)
    answer = { status: 200, body: signed(siteOf(5)) }
    await round()
    expect(status()).toMatchObject({ version: 5, problem: undefined })
  })

  it('serves for ever while the centre is away, which is worth a word after a day', async () => {
    const { start, refresh, round, held, status, pass } = keeper()
    answer = { status: 200, body: signed(siteOf(3)) }
    await refresh()
    answer = { status: 503, body: 'away' }
    start()
    await round()
    expect(status()).toMatchObject({ version: 3, refused: 0, problem: undefined })
    pass(25 * 3_600_000)
    expect(status().problem).toMatchObject({ code: 'SITE_UNREACHABLE' })
    pass(400 * 86_400_000)
    expect(held()?.version).toBe(3)
  })

  it('is checked again when it is read from the disk', async () => {
    const { refresh, held } = keeper()
    answer = { status: 200, body: signed(siteOf(3)) }
    await refresh()
    const file = join(siteFolder(folder), 'site.json')
    writeFileSync(file, signed(siteOf(9), stranger.privateKey))
    expect(held).toThrow(/signature/)
    appendFileSync(file, 'x')
    expect(held).toThrow(/no JSON/)
  })
})
