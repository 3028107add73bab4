import { createPrivateKey, X509Certificate } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

import { BioTrakrError, type GatewayId, isGatewayId } from '@biotrakr/shared'
import { z } from 'zod'

/** Both PEM. */
export interface KeyPair {
  readonly certificate: string
  readonly key: string
}

/** Where the certificates of this gateway come from. */
interface Centre {
  readonly gateway: GatewayId
  /** Of the enrolment service. */
  readonly url: string
  /** PEM: vouches for every server of the centre. */
  readonly ca: string
}

export interface Identity extends Centre {
  /**
   * What to show at the next connection: after a renewal the new certificate and the one before in turns, until
   * `proven` says that the new one was let in.
   */
  offer(): KeyPair
  /** Whoever was shown what `offer` gave last has let it in. */
  proven(): void
  /** The newest certificate; it may not be proven yet. */
  newest(): CertificateDates & KeyPair
  isProven(): boolean
  /** Keeps this pair beside the present one until it is proven. */
  add(pair: KeyPair): void
}

export interface CertificateDates {
  readonly fromMs: number
  readonly untilMs: number
}

/**
 * Key and certificate are in one file, so that a crash never leaves one without the other; the file is for its owner
 * only. A renewed pair waits in a file of its own.
 */
const PRESENT = 'identity.pem'
const NEXT = 'next.pem'
const CENTRE = 'centre.json'
const PRIVATE_MODE = 0o400

const centreSchema = z.strictObject({
  gateway: z.string().refine(isGatewayId),
  url: z.string().max(2_048),
  ca: z.string().max(8_192),
})

/** Puts an identity in a folder, in place of any before. The files belong to whom the folder above belongs. */
export function writeIdentity(folder: string, centre: Centre, pair: KeyPair): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  own(folder, dirname(folder))
  rmSync(join(folder, NEXT), { force: true })
  writePrivate(join(folder, CENTRE), JSON.stringify(centreSchema.parse(centre)))
  writePrivate(join(folder, PRESENT), pair.key + pair.certificate)
}

/**
 * @returns undefined where this box has not enrolled
 * @throws BioTrakrError IDENTITY_INVALID
 */
export function openIdentity(folder: string): Identity | undefined {
  if (!existsSync(join(folder, CENTRE))) return undefined
  try {
    const centre = centreSchema.parse(JSON.parse(readFileSync(join(folder, CENTRE), 'utf8')))
    return createIdentity(folder, centre)
  } catch (cause) {
    throw new BioTrakrError(`the identity of this gateway in ${folder} cannot be used`, {
      code: 'IDENTITY_INVALID',
      next: 'Check who may read it, or enrol again: ask the operator for a code and run `biotrakr enroll`.',
      cause,
    })
  }
}

function createIdentity(folder: string, centre: Centre): Identity {
  const presentFile = join(folder, PRESENT)
  const nextFile = join(folder, NEXT)
  let present = readPair(presentFile)
  let next = readNext(nextFile)
  let offered = present
  return {
    ...centre,
    offer: () => {
      offered = next && offered !== next ? next : present
      return offered
    },
    proven: () => {
      if (offered !== next) return
      renameSync(nextFile, presentFile)
      present = next
      next = undefined
    },
    newest: () => {
      const pair = next ?? present
      return { ...pair, ...datesOf(pair.certificate) }
    },
    isProven: () => next === undefined,
    add: (pair) => {
      writePrivate(nextFile, pair.key + pair.certificate)
      next = readPair(nextFile)
      offered = present
    },
  }
}

/** A renewed pair that a crash left half written is as if it had never come. */
function readNext(file: string): KeyPair | undefined {
  if (!existsSync(file)) return undefined
  try {
    return readPair(file)
  } catch {
    rmSync(file, { force: true })
    return undefined
  }
}

function readPair(file: string): KeyPair {
  const text = readFileSync(file, 'utf8')
  const at = text.indexOf('-----BEGIN CERTIFICATE-----')
  const pair = { key: text.slice(0, at), certificate: text.slice(at) }
  if (!new X509Certificate(pair.certificate).checkPrivateKey(createPrivateKey(pair.key))) {
    throw new Error(`key and certificate in ${file} do not belong together`)
  }
  return pair
}

/** @param certificate PEM */
export function datesOf(certificate: string): CertificateDates {
  const { validFrom, validTo } = new X509Certificate(certificate)
  return { fromMs: Date.parse(validFrom), untilMs: Date.parse(validTo) }
}

/** The old file or the whole new one, whatever happens meanwhile. */
function writePrivate(file: string, text: string): void {
  const draft = `${file}.new`
  rmSync(draft, { force: true })
  const handle = openSync(draft, 'wx', PRIVATE_MODE)
  try {
    writeSync(handle, text)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  own(draft, dirname(file))
  renameSync(draft, file)
}

/** An installer enrols as root; the agent that runs as somebody else must be able to read the result. */
function own(path: string, like: string): void {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = statSync(like)
  chownSync(path, uid, gid)
}
