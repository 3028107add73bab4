import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { BioTrakrError, type ReleasePackage } from '@biotrakr/shared'
import { afterEach, beforeEach, expect, it } from 'vitest'

import { downloadPackage, fetchRelease } from './release-download.ts'

const content = Buffer.alloc(300_000, 'package ')
const wanted: ReleasePackage = {
  name: 'biotrakr-agent_0.2.0_amd64.deb',
  architecture: 'amd64',
  nodeMajor: 20,
  bytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
}

let folder: string
let file: string
let answer: (request: IncomingMessage, response: ServerResponse) => void
let asked: IncomingMessage[]
const server = createServer((request, response) => {
  asked.push(request)
  answer(request, response)
})

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-download-'))
  file = join(folder, wanted.name)
  asked = []
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
})
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true })
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
})

const centre = () => {
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, gateway: 'gw-1', token: 'a-token-of-this-gateway' }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(() => undefined).catch((caught: unknown) => caught)
  return error instanceof BioTrakrError ? error.code : String(error)
}

/** Gives what is asked for, as the centre does, but hangs up after so many bytes, once some of them are in the file. */
function cutAfter(bytes: number) {
  return (request: IncomingMessage, response: ServerResponse) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const rest = content.subarray(from)
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': rest.length })
    if (rest.length <= bytes) response.end(rest)
    else response.write(rest.subarray(0, bytes), hangUp)
    function hangUp(): void {
      if (existsSync(file) && statSync(file).size > from) response.destroy()
      else setTimeout(hangUp, 5)
    }
  }
}

it('goes on where the line was cut, and asks as this gateway', async () => {
  answer = cutAfter(200_000)
  expect(await codeOf(downloadPackage(centre(), wanted, file))).toBe('RELEASE_UNREACHABLE')
  const have = statSync(file).size
  expect(have).toBeGreaterThan(0)
  answer = cutAfter(content.length)
  await downloadPackage(centre(), wanted, file)
  expect(readFileSync(file).equals(content)).toBe(true)
  expect(asked[1]?.headers.range).toBe(`bytes=${have}-`)
  expect(asked[1]?.headers['if-range']).toBe(`"${wanted.sha256}"`)
  expect(asked.map(({ headers }) => headers.authorization)).toEqual(Array(2).fill('Bearer a-token-of-this-gateway'))
})

it('asks for nothing when all of it is there already', async () => {
  writeFileSync(file, content)
  await downloadPackage(centre(), wanted, file)
  expect(asked).toEqual([])
})

it('writes no more than the document says, and keeps nothing of another content', async () => {
  answer = (_request, response) => response.end(Buffer.concat([content, content]))
  expect(await codeOf(downloadPackage(centre(), wanted, file))).toBe('RELEASE_INVALID')
  expect(statSync(file).size).toBeLessThanOrEqual(content.length)
  rmSync(file)
  answer = (_request, response) => response.end(Buffer.alloc(content.length))
  expect(await codeOf(downloadPackage(centre(), wanted, file))).toBe('RELEASE_REFUSED')
  expect(existsSync(file)).toBe(false)
})

it('tells a centre without releases from one that refuses this gateway, and bounds what it reads', async () => {
  answer = (_request, response) => response.writeHead(404).end()
  await expect(fetchRelease(centre())).rejects.toThrow(/has no release/)
  answer = (_request, response) => response.writeHead(401).end()
  await expect(fetchRelease(centre())).rejects.toThrow(/answers with 401/)
  answer = (_request, response) => response.end('x'.repeat(1_000_000))
  expect(await codeOf(fetchRelease(centre()))).toBe('RELEASE_INVALID')
  answer = (_request, response) => response.end('{"document":')
  expect(await codeOf(fetchRelease(centre()))).toBe('RELEASE_INVALID')
})
