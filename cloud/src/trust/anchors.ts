import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'
import { z } from 'zod'

import type { ChainHead } from './chain.ts'

/**
 * Heads of audit chains, signed, in a folder that the database cannot reach: who cuts the end off a chain, and its head
 * with it, does not get at these. The folder should lie on another machine or on storage that is written once.
 */
const anchorSchema = z.strictObject({
  format: z.literal(1),
  org: z.string().min(1).max(64),
  n: z.int().min(1),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  at: z.iso.datetime(),
})
const signedSchema = z.strictObject({ document: z.string().max(1_000), signature: z.string().max(100) })

const CONTEXT = 'BioTrakr audit anchor 1\n'
const NAME = /^[a-z0-9-]+\.\d{12}\.json$/

interface AnchorWish {
  readonly folder: string
  readonly keyFile: string
  readonly org: string
  readonly head: ChainHead
  readonly nowMs: number
}

/**
 * Writes a head, unless it is there already. Files are never overwritten.
 * @returns the file, undefined for a chain without events
 * @throws BioTrakrError CONFIG_UNREADABLE for the key
 */
export function writeAnchor({ folder, keyFile, org, head, nowMs }: AnchorWish): string | undefined {
  if (head.n === 0) return undefined
  const file = join(folder, `${org}.${String(head.n).padStart(12, '0')}.json`)
  if (existsSync(file)) return file
  ensureAnchorKey(keyFile)
  const document = JSON.stringify({ format: 1, org, ...head, at: new Date(nowMs).toISOString() })
  const signature = sign(null, Buffer.from(CONTEXT + document), anchorKey(keyFile)).toString('base64')
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const half = `${file}.new`
  const handle = openSync(half, 'w', 0o444)
  try {
    writeFileSync(handle, JSON.stringify({ document, signature }))
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(half, file)
  return file
}

interface Anchors {
  readonly heads: readonly ChainHead[]
  /** Files of the organisation that are damaged or not signed by this key. */
  readonly bad: readonly string[]
}

/** Reads the heads of one organisation. @throws BioTrakrError CONFIG_UNREADABLE for the key */
export function readAnchors(folder: string, keyFile: string, { org }: { readonly org: string }): Anchors {
  const key = createPublicKey(anchorKey(keyFile))
  const heads: ChainHead[] = []
  const bad: string[] = []
  const names = existsSync(folder) ? readdirSync(folder) : []
  for (const name of names.filter((each) => NAME.test(each) && each.startsWith(`${org}.`)).sort()) {
    const head = readHead(join(folder, name), { key, org })
    if (head) heads.push(head)
    else bad.push(name)
  }
  return { heads, bad }
}

function readHead(
  file: string,
  { key, org }: { readonly key: KeyObject; readonly org: string },
): ChainHead | undefined {
  try {
    const { document, signature } = signedSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
    if (!verify(null, Buffer.from(CONTEXT + document), key, Buffer.from(signature, 'base64'))) return undefined
    const anchor = anchorSchema.parse(JSON.parse(document))
    return anchor.org === org ? { n: anchor.n, hash: anchor.hash } : undefined
  } catch {
    return undefined
  }
}

/** Makes the key that heads are signed with, where there is none. */
export function ensureAnchorKey(file: string): void {
  if (existsSync(file)) return
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const { privateKey } = generateKeyPairSync('ed25519')
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' })
}

function anchorKey(file: string): KeyObject {
  const next = 'Name the Ed25519 key of `audit anchor` in audit.keyFile, and see that only its owner can read it.'
  try {
    if ((statSync(file).mode & 0o077) === 0) {
      const key = createPrivateKey(readFileSync(file))
      if (key.asymmetricKeyType === 'ed25519') return key
    }
  } catch (cause) {
    throw new BioTrakrError(`cannot read the audit key ${file}`, { code: 'CONFIG_UNREADABLE', next, cause })
  }
  throw new BioTrakrError(`${file} is no Ed25519 key, or others can read it`, { code: 'CONFIG_UNREADABLE', next })
}
