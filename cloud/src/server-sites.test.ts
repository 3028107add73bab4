import { verify } from 'node:crypto'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type SignedSite, sitePath, siteToSign, type TagId } from '@biotrakr/shared'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { registeredTags } from './record/registered-tags.ts'
import type { CentreServer } from './server.ts'
import { ensureSiteKey, openSiteShelf, publishSite, siteToken } from './site-shelf.ts'
import { createTestCentre, OWN_TAGS, type TestCentre } from './test-centre.ts'

const TOKEN = 'a-token-of-at-least-sixteen-characters'
const gateway = 'gw-marlow' as Parameters<typeof publishSite>[1]
const other = 'gw-other' as typeof gateway
const siteMap = { version: 1, rooms: [{ id: 'R1', transit: false }], receivers: [], adjacency: [] } as never

let centre: TestCentre
let server: CentreServer
let folder: string
let keyFile: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-sites-'))
  keyFile = join(folder, 'key/site.key')
  centre = await createTestCentre()
  server = await centre.serve({ token: TOKEN, sites: openSiteShelf(join(folder, 'published')) })
})
afterAll(async () => {
  await server.stop()
  await centre.stop()
  rmSync(folder, { recursive: true, force: true })
})

const publish = (tags: readonly string[], of = gateway) => {
  ensureSiteKey(keyFile)
  return publishSite(join(folder, 'published'), of, {
    content: { siteMap, tags: [...tags] as TagId[], profiles: {} },
    keyFile,
  })
}
const ask = (name: string, token: string, etag?: string) =>
  fetch(`${server.url}${sitePath(name)}`, {
    headers: { authorization: `Bearer ${token}`, ...(etag && { 'if-none-match': etag }) },
  })

describe('the site of a gateway', () => {
  it('is published with the registered tags, under a key that only its owner can read', async () => {
    const pool = new Pool(centre.database.options('bt_ingest'))
    const tags = await registeredTags(pool, gateway)
    expect([...(tags ?? [])].sort()).toEqual([...OWN_TAGS].sort())
    expect(await registeredTags(pool, 'gw-nobody')).toBeUndefined()
    await pool.end()
    expect(publish(tags ?? [])).toEqual({ version: 1, isNew: true })
    expect(statSync(keyFile).mode & 0o777).toBe(0o600)
  })

  it('has a new version when anything in it is new, and none when nothing is', () => {
    expect(publish([OWN_TAGS[0] ?? ''])).toEqual({ version: 2, isNew: true })
    expect(publish([OWN_TAGS[0] ?? ''])).toEqual({ version: 2, isNew: false })
    expect(() => publish(['no tag'])).toThrow(/is not a canonical tag identity/)
  })

  it('is handed to that gateway, signed, and not twice', async () => {
    const token = siteToken(TOKEN, gateway)
    const response = await ask(gateway, token)
    expect(response.status).toBe(200)
    const { document, signature } = (await response.json()) as SignedSite
    const key = ensureSiteKey(keyFile)
    expect(verify(null, siteToSign(document), key, Buffer.from(signature, 'base64'))).toBe(true)
    expect(JSON.parse(document)).toMatchObject({ gateway, version: 2, tags: [OWN_TAGS[0]] })
    const etag = response.headers.get('etag') ?? ''
    expect((await ask(gateway, token, etag)).status).toBe(304)
    publish(OWN_TAGS)
    expect((await ask(gateway, token, etag)).status).toBe(200)
  })

  it("is not for other gateways, and a gateway's token opens nothing else", async () => {
    publish([], other)
    const token = siteToken(TOKEN, gateway)
    expect((await ask(gateway, siteToken(TOKEN, 'gw-other'))).status).toBe(401)
    expect((await ask(gateway, 'wrong')).status).toBe(401)
    // Of another organisation, even for who may see everything of this one.
    expect((await ask('gw-other', TOKEN)).status).toBe(404)
    expect((await ask('..%2f..%2fkey', TOKEN)).status).toBe(404)
    const tags = await fetch(`${server.url}/api/v1/tags`, { headers: { authorization: `Bearer ${token}` } })
    expect(tags.status).toBe(401)
  })

  it('is not found where none was published or its key is not right', async () => {
    expect(openSiteShelf(join(folder, 'nowhere')).find(gateway)).toBeUndefined()
    const loose = join(folder, 'loose.key')
    writeFileSync(loose, 'no key', { mode: 0o600 })
    expect(() => ensureSiteKey(loose)).toThrow(/cannot read the site key/)
  })

  it('is refused to a gateway that was blocked, within the time of one reading', async () => {
    const token = siteToken(TOKEN, gateway)
    await centre.database.ownerClient.query(`update site.gateway set status = 'blocked' where name = $1`, [gateway])
    const until = Date.now() + 10_000
    let status = 200
    while (status === 200 && Date.now() < until) {
      status = (await ask(gateway, token)).status
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    expect(status).toBe(404)
  })
})
