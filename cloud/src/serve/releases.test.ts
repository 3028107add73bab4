import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { fastify } from 'fastify'
import { afterAll, expect, it } from 'vitest'

import { addReleases } from './releases.ts'

const folder = mkdtempSync(join(tmpdir(), 'biotrakr-releases-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const content = Buffer.from('a package of the agent')
const sha256 = createHash('sha256').update(content).digest('hex')
const name = 'biotrakr-agent_0.2.0_amd64.deb'
writeFileSync(join(folder, name), content)
writeFileSync(join(folder, 'secret'), 'not for gateways')

const packages = [{ name, architecture: 'amd64', nodeMajor: 20, bytes: content.length, sha256 }] as const
const signed = { document: '{}', signature: 'x' }
const server = fastify()
const shelf = { list: () => [{ signed, folder, release: { packages } }] }
const open = { isWelcome: (gateway: string) => gateway !== 'gw-blocked', mayAsk: () => true }
addReleases(server, { shelf, ...open })
const base = '/api/v1/gateways/gw-1/release'

it('gives the newest release, and says when there is none', async () => {
  expect((await server.inject(base)).json()).toEqual(signed)
  const empty = fastify()
  addReleases(empty, { shelf: { list: () => [] }, ...open })
  expect((await empty.inject(base)).statusCode).toBe(404)
})

it('gives nothing to whoever does not speak for the gateway, nor to one that is blocked', async () => {
  const closed = fastify()
  addReleases(closed, { shelf, ...open, mayAsk: () => false })
  for (const url of [base, `${base}/packages/${name}`]) {
    expect((await closed.inject(url)).statusCode).toBe(401)
    expect((await server.inject(url.replace('gw-1', 'gw-blocked'))).statusCode).toBe(404)
  }
})

it('goes on from a byte of the same package, and gives the whole of another', async () => {
  const ask = (headers: Record<string, string>) => server.inject({ url: `${base}/packages/${name}`, headers })
  expect((await ask({})).body).toBe(content.toString())
  const rest = await ask({ range: 'bytes=10-', 'if-range': `"${sha256}"` })
  expect([rest.statusCode, rest.body]).toEqual([206, content.subarray(10).toString()])
  expect(rest.headers['content-range']).toBe(`bytes 10-${content.length - 1}/${content.length}`)
  expect((await ask({ range: 'bytes=10-', 'if-range': '"other"' })).statusCode).toBe(200)
  expect((await ask({ range: 'bytes=0-1,4-5' })).statusCode).toBe(200)
  expect((await ask({ range: `bytes=${content.length}-` })).statusCode).toBe(416)
})

it('opens nothing that no release names', async () => {
  for (const other of ['secret', '..%2Fsecret', '%2Fetc%2Fpasswd', 'biotrakr-agent_0.2.0_arm64.deb']) {
    expect((await server.inject(`${base}/packages/${other}`)).statusCode, other).toBe(404)
  }
})
