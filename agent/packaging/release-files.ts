import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

import { BioTrakrError, RELEASE_FILE, type Release, type ReleasePackage, SIGNATURE_FILE } from '@biotrakr/shared'

import { packagedRelease } from './stage.ts'

/** The key that signs, read from outside the repository. @throws BioTrakrError CONFIG_UNREADABLE, CONFIG_INVALID */
export function readSigningKey(file: string): { readonly privatePem: string; readonly publicPem: string } {
  let privatePem: string
  try {
    privatePem = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new BioTrakrError(`cannot read ${file}`, { code: 'CONFIG_UNREADABLE', cause, next: MAKE_KEY })
  }
  const isEd25519 = createPrivateKey(privatePem).asymmetricKeyType === 'ed25519'
  if (!isEd25519) throw new BioTrakrError(`${file} is no Ed25519 key`, { code: 'CONFIG_INVALID', next: MAKE_KEY })
  return { privatePem, publicPem: createPublicKey(privatePem).export({ type: 'spki', format: 'pem' }).toString() }
}

const MAKE_KEY = 'Make one outside the repository: openssl genpkey -algorithm ed25519 -out release-key.pem'

export function describePackage(
  file: string,
  { architecture, nodeMajor }: Pick<ReleasePackage, 'architecture' | 'nodeMajor'>,
): ReleasePackage {
  const content = readFileSync(file)
  return { name: basename(file), architecture, nodeMajor, bytes: content.length, sha256: sha256(content) }
}

interface ReleaseOptions {
  readonly version: string
  /** Seconds. */
  readonly epoch: number
  readonly packages: readonly ReleasePackage[]
  /** Absent: the release is not signed, and no gateway takes it as an update. */
  readonly privatePem?: string | undefined
}

/** Writes the release document, and with a key its signature: plain Ed25519 over the bytes of the document. */
export function writeRelease(folder: string, { version, epoch, packages, privatePem }: ReleaseOptions): void {
  const published = new Date(epoch * 1_000).toISOString().replace('.000Z', 'Z')
  const release: Release = { ...packagedRelease(version), published, packages: [...packages] }
  const document = Buffer.from(`${JSON.stringify(release, null, 2)}\n`)
  writeFileSync(join(folder, RELEASE_FILE), document)
  if (privatePem === undefined) return
  writeFileSync(join(folder, SIGNATURE_FILE), `${sign(null, document, privatePem).toString('base64')}\n`)
}

/** In the format of sha256sum. */
export function writeSums(folder: string, names: readonly string[]): void {
  const lines = [...names].sort().map((name) => `${sha256(readFileSync(join(folder, name)))}  ${name}\n`)
  writeFileSync(join(folder, 'SHA256SUMS'), lines.join(''))
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
