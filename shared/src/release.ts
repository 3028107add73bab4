import { z } from 'zod'

/**
 * A release of the agent: packages, and one document that names them by size and SHA-256. The document is signed with
 * Ed25519, byte for byte as it lies in its file, and each package carries the public keys it takes the next release from.
 */
export const RELEASE_FORMAT = 'biotrakr-release/1'
/** Largest package that a gateway takes. */
export const MAX_PACKAGE_BYTES = 256 * 1024 * 1024
/** Largest release document. */
export const MAX_RELEASE_BYTES = 64 * 1024
/** Base 64 of the 64 bytes of an Ed25519 signature. */
const SIGNATURE_LETTERS = 88

const version = z.string().regex(/^(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})$/, 'must be like 1.2.3')

/** Versions of the store's schema that this release can open, and the one it brings a store to. */
const storeSchemas = z.strictObject({ reads: z.int().min(1), writes: z.int().min(1) })

/** What a package says of itself, in its file release.json. */
export const packagedReleaseSchema = z.strictObject({
  format: z.literal(RELEASE_FORMAT),
  version,
  /** Never falls from one release to the next: a gateway takes no release with a lower one than it has had. */
  counter: z.int().min(0),
  storeSchemas,
})
export type PackagedRelease = Readonly<z.infer<typeof packagedReleaseSchema>>

const packageSchema = z.strictObject({
  name: z.string().regex(/^biotrakr-agent_[0-9.]{5,14}_(amd64|arm64)\.deb$/),
  architecture: z.enum(['amd64', 'arm64']),
  /** Lowest major version of Node that its native modules fit. */
  nodeMajor: z.int().min(20),
  bytes: z.int().min(1).max(MAX_PACKAGE_BYTES),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})

export const releaseSchema = packagedReleaseSchema.extend({
  /** UTC, seconds. */
  published: z.iso.datetime(),
  packages: z.array(packageSchema).min(1).max(8),
})
export type Release = Readonly<z.infer<typeof releaseSchema>>
export type ReleasePackage = Release['packages'][number]

/** The document with its signature, as a centre hands it on. */
export const signedReleaseSchema = z.strictObject({
  document: z.string().min(1).max(MAX_RELEASE_BYTES),
  signature: z.string().length(SIGNATURE_LETTERS),
})
export type SignedRelease = Readonly<z.infer<typeof signedReleaseSchema>>

/** A part of a version is below 10,000, so no higher version has a lower counter. */
export function releaseCounter(text: string): number {
  const [major = 0, minor = 0, patch = 0] = version.parse(text).split('.').map(Number)
  return (major * 10_000 + minor) * 10_000 + patch
}

/** Where a centre's server gives the newest release to a gateway. */
export function releasePath(gateway: string): string {
  return `/api/v1/gateways/${encodeURIComponent(gateway)}/release`
}

/** Where it gives one package of it. */
export function releasePackagePath(gateway: string, name: string): string {
  return `${releasePath(gateway)}/packages/${encodeURIComponent(name)}`
}

/** Names of the two files of a release beside its packages. */
export const RELEASE_FILE = 'release.json'
export const SIGNATURE_FILE = 'release.json.sig'
