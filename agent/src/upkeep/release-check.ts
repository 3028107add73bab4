import { createPublicKey, type KeyObject, verify } from 'node:crypto'

import {
  BioTrakrError,
  parseWhole,
  type Release,
  type ReleasePackage,
  releaseSchema,
  signedReleaseSchema,
} from '@biotrakr/shared'

const SIGNATURE_BYTES = 64
const NOTHING_CHANGED = 'Nothing was changed.'

/**
 * Reads a release document after its signature was found to be that of a pinned key; nothing in it is looked at before.
 * @param pins public keys in PEM, one after the other
 * @throws BioTrakrError RELEASE_INVALID for a document of another form, RELEASE_REFUSED for a foreign signature
 */
export function openRelease(
  value: unknown,
  { pins, origin }: { readonly pins: string; readonly origin: string },
): Release {
  const wanted = { origin, code: 'RELEASE_INVALID', next: NOTHING_CHANGED } as const
  const { document, signature } = parseWhole(signedReleaseSchema, value, wanted)
  const keys = readPins(pins)
  if (keys.length === 0) {
    throw new BioTrakrError('This build pins no key, so it can trust no release', {
      code: 'RELEASE_REFUSED',
      next: 'Install the next version as a Debian package.',
    })
  }
  const bytes = Buffer.from(signature, 'base64')
  const isSigned =
    bytes.length === SIGNATURE_BYTES && keys.some((key) => verify(null, Buffer.from(document), key, bytes))
  if (!isSigned) {
    throw new BioTrakrError(`${origin} does not carry the signature of a key that this version trusts`, {
      code: 'RELEASE_REFUSED',
      next: `${NOTHING_CHANGED} Find out who put that release there.`,
    })
  }
  return parseWhole(releaseSchema, parseJson(document, origin), wanted)
}

function readPins(pins: string): readonly KeyObject[] {
  const blocks = pins.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g) ?? []
  return blocks.map((pem) => createPublicKey(pem)).filter((key) => key.asymmetricKeyType === 'ed25519')
}

function parseJson(text: string, origin: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new BioTrakrError(`${origin} is no JSON`, { code: 'RELEASE_INVALID', next: NOTHING_CHANGED, cause })
  }
}

interface Box {
  /** As Node calls it: x64, arm64. */
  readonly arch: string
  readonly nodeMajor: number
  readonly present: Pick<Release, 'version' | 'counter' | 'storeSchemas'>
}

const DEBIAN_NAMES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/**
 * @returns the package that this box would take, undefined when it has that release already
 * @throws BioTrakrError RELEASE_REFUSED for one that is older, does not fit, or could not be gone back from
 */
export function choosePackage(release: Release, { arch, nodeMajor, present }: Box): ReleasePackage | undefined {
  const { version, counter, storeSchemas } = release
  if (counter === present.counter) return undefined
  const refuse = (message: string, next: string) =>
    new BioTrakrError(`Release ${version} ${message}`, { code: 'RELEASE_REFUSED', next: `${next} ${NOTHING_CHANGED}` })
  if (counter < present.counter) {
    throw refuse(`is older than the present ${present.version}`, 'A signed release may still have known faults.')
  }
  const found = release.packages.find(({ architecture }) => architecture === DEBIAN_NAMES[arch])
  if (!found) throw refuse(`has no package for ${arch}`, 'Ask for one.')
  if (nodeMajor < found.nodeMajor) {
    throw refuse(`needs Node ${found.nodeMajor}, and this is ${nodeMajor}`, `Install Node ${found.nodeMajor} or later.`)
  }
  if (storeSchemas.reads < present.storeSchemas.writes || storeSchemas.writes > present.storeSchemas.reads) {
    const next = 'Update to a version in between, or install the Debian package, from which there is no way back.'
    throw refuse(`writes a store that the present ${present.version} cannot read`, next)
  }
  return found
}
