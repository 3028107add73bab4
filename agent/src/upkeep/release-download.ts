import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync, rmSync, statSync } from 'node:fs'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import {
  BioTrakrError,
  MAX_RELEASE_BYTES,
  type ReleasePackage,
  releasePackagePath,
  releasePath,
} from '@biotrakr/shared'
import { Agent, type Dispatcher, request } from 'undici'

/** The server of a centre, as this gateway reaches it. */
export interface ReleaseCentre {
  readonly url: string
  readonly gateway: string
  readonly token?: string | undefined
  /** Authority of the server's certificate, PEM; without it, the system's. */
  readonly ca?: string | undefined
}

const CONNECT_MS = 10_000
/** Of silence. A slow line is no reason to give up. */
const SILENCE_MS = 30_000
/** A document inside a JSON string may be twice as long. */
const MAX_ANSWER_BYTES = 2 * MAX_RELEASE_BYTES + 1_024

/**
 * The signed document of the centre's newest release, not yet looked at.
 * @throws BioTrakrError RELEASE_UNREACHABLE, RELEASE_INVALID
 */
export async function fetchRelease(centre: ReleaseCentre): Promise<unknown> {
  return await withCentre(centre, async (ask) => {
    const { statusCode, body } = await ask(releasePath(centre.gateway), {})
    if (statusCode !== 200) throw refusal(centre, statusCode)
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > MAX_ANSWER_BYTES) throw damaged(`${centre.url} sent more than a release document can have`)
      chunks.push(chunk)
    }
    try {
      return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown
    } catch (cause) {
      throw damaged(`${centre.url} sent no JSON`, cause)
    }
  })
}

/**
 * Brings a package to `file`, going on where an earlier attempt was cut off. What is there in the end has the size and the
 * SHA-256 of the signed document; never more than that size is written.
 * @throws BioTrakrError RELEASE_UNREACHABLE when the line fails, RELEASE_REFUSED when the content is another
 */
export async function downloadPackage(centre: ReleaseCentre, wanted: ReleasePackage, file: string): Promise<void> {
  const have = existsSync(file) ? statSync(file).size : 0
  if (have > wanted.bytes) rmSync(file)
  if (have < wanted.bytes || have > wanted.bytes) await fetchRest(centre, wanted, file)
  if ((await sha256Of(file)) === wanted.sha256) return
  rmSync(file, { force: true })
  throw new BioTrakrError(`${wanted.name} is not what the release document says`, {
    code: 'RELEASE_REFUSED',
    next: 'Nothing was changed. Try again; if it happens again, the package at the centre was changed.',
  })
}

async function fetchRest(centre: ReleaseCentre, { name, bytes, sha256 }: ReleasePackage, file: string): Promise<void> {
  const have = existsSync(file) ? statSync(file).size : 0
  await withCentre(centre, async (ask) => {
    // The server gives the whole if it has another package under this name by now.
    const headers = have > 0 ? { range: `bytes=${have}-`, 'if-range': `"${sha256}"` } : {}
    const { statusCode, body } = await ask(releasePackagePath(centre.gateway, name), headers)
    if (statusCode !== 200 && statusCode !== 206) throw refusal(centre, statusCode)
    const start = statusCode === 206 ? have : 0
    const output = createWriteStream(file, { flags: start === 0 ? 'w' : 'a', mode: 0o600 })
    await pipeline(body, atMost(bytes - start, name), output)
  })
}

function atMost(limit: number, name: string): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > limit) done(damaged(`${name} is longer than its release document says`))
      else done(null, chunk)
    },
  })
}

type Ask = (path: string, headers: Readonly<Record<string, string>>) => Promise<Dispatcher.ResponseData>

async function withCentre<T>(centre: ReleaseCentre, use: (ask: Ask) => Promise<T>): Promise<T> {
  const { url, token, ca } = centre
  const dispatcher = new Agent({ connect: { timeout: CONNECT_MS, ...(ca !== undefined && { ca }) } })
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  try {
    return await use((path, headers) =>
      request(new URL(path, url), {
        dispatcher,
        headers: { ...authorization, ...headers },
        headersTimeout: SILENCE_MS,
        bodyTimeout: SILENCE_MS,
      }),
    )
  } catch (cause) {
    if (cause instanceof BioTrakrError) throw cause
    throw new BioTrakrError(`${url} cannot be reached, or the line was cut`, {
      code: 'RELEASE_UNREACHABLE',
      next: 'Run `biotrakr update` again: it goes on where it was cut off. `biotrakr doctor` looks at the line.',
      cause,
    })
  } finally {
    await dispatcher.destroy()
  }
}

function refusal({ url }: ReleaseCentre, status: number): BioTrakrError {
  const next =
    status === 404
      ? 'At the centre: `biotrakr-cloud release add FOLDER`.'
      : status === 401 || status === 403
        ? 'Check centre.tokenFile: it is the token of this gateway.'
        : 'Look at the log of biotrakr-cloud serve.'
  const what = status === 404 ? 'has no release' : `answers with ${status}`
  return new BioTrakrError(`${url} ${what}`, { code: 'RELEASE_UNREACHABLE', next })
}

function damaged(message: string, cause?: unknown): BioTrakrError {
  return new BioTrakrError(message, { code: 'RELEASE_INVALID', next: 'Nothing was changed.', cause })
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}
