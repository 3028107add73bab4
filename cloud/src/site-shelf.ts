import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

import {
  BioTrakrError,
  type GatewayId,
  isGatewayId,
  type PublishedSite,
  parseWhole,
  publishedSiteSchema,
  signedSiteSchema,
  siteToSign,
} from '@biotrakr/shared'

/**
 * Sites of gateways as signed files in one folder: written by `biotrakr-cloud site publish`, which has the key, and handed
 * out by `serve`, which has not. Who breaks into the server can withhold sites, and make none.
 */
const fileOf = (folder: string, gateway: GatewayId) => join(folder, `${gateway}.json`)

const NEXT = 'Publish it anew: `biotrakr-cloud site publish`.'

type Content = Pick<PublishedSite, 'siteMap' | 'tags'> & {
  /** Absent: those that were published before stay. */
  readonly profiles?: PublishedSite['profiles'] | undefined
}

interface Published {
  readonly version: number
  /** False: the content is that of the version before, which stays. */
  readonly isNew: boolean
}

/**
 * Publishes a site for a gateway, as the next version if anything is new in it.
 * @throws BioTrakrError SITE_INVALID, CONFIG_UNREADABLE for the key
 */
export function publishSite(
  folder: string,
  gateway: GatewayId,
  { content, keyFile }: { readonly content: Content; readonly keyFile: string },
): Published {
  const before = readPublished(folder, gateway)
  const whole = (version: number) =>
    parseWhole(
      publishedSiteSchema,
      { format: 1, gateway, version, ...content, profiles: content.profiles ?? before?.profiles ?? {} },
      { origin: 'The site', code: 'SITE_INVALID', next: NEXT },
    )
  if (before && JSON.stringify(whole(before.version)) === JSON.stringify(before)) {
    return { version: before.version, isNew: false }
  }
  const version = (before?.version ?? 0) + 1
  const document = JSON.stringify(whole(version))
  const signature = sign(null, siteToSign(document), readPrivateKey(keyFile)).toString('base64')
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  writeWhole(fileOf(folder, gateway), JSON.stringify({ document, signature }), 0o644)
  return { version, isNew: true }
}

function readPublished(folder: string, gateway: GatewayId): PublishedSite | undefined {
  const file = fileOf(folder, gateway)
  if (!existsSync(file)) return undefined
  const how = {
    origin: file,
    code: 'SITE_INVALID',
    next: `Move it away and publish again; versions go on from 1 then.`,
  } as const
  const { document } = parseWhole(signedSiteSchema, JSON.parse(readFileSync(file, 'utf8')), how)
  return parseWhole(publishedSiteSchema, JSON.parse(document), how)
}

interface ShelvedSite {
  readonly body: Buffer
  readonly etag: string
}

export interface SiteShelf {
  /** @returns undefined for a gateway for which nothing was published */
  find(gateway: string): ShelvedSite | undefined
}

/** Gateways whose sites are held in memory; any more are read each time. */
const MAX_HELD = 1_000

/** Reads a site again only when its file is another one. */
export function openSiteShelf(folder: string): SiteShelf {
  const held = new Map<string, ShelvedSite & { readonly mark: string }>()
  return {
    find(gateway) {
      if (!isGatewayId(gateway)) return undefined
      const file = fileOf(folder, gateway)
      const stat = statSync(file, { throwIfNoEntry: false })
      if (!stat?.isFile()) return undefined
      const mark = `${stat.ino}/${stat.mtimeMs}/${stat.size}`
      const known = held.get(gateway)
      if (known?.mark === mark) return known
      const body = readFileSync(file)
      const site = { mark, body, etag: `"${createHash('sha256').update(body).digest('hex').slice(0, 32)}"` }
      if (held.size < MAX_HELD || known) held.set(gateway, site)
      return site
    },
  }
}

/**
 * The token with which one gateway asks for its own site, and for nothing else. It follows from the token of the service,
 * so that there is nothing to store; another token of the service makes all of them void.
 */
export function siteToken(serviceToken: string, gateway: string): string {
  return createHmac('sha256', serviceToken).update(`site of ${gateway}`).digest('hex')
}

/** Makes the key that sites are signed with, where there is none. @returns the public key, PEM */
export function ensureSiteKey(file: string): string {
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const { privateKey } = generateKeyPairSync('ed25519')
    writeWhole(file, String(privateKey.export({ type: 'pkcs8', format: 'pem' })), 0o600)
  }
  return String(createPublicKey(readPrivateKey(file)).export({ type: 'spki', format: 'pem' }))
}

function readPrivateKey(file: string): KeyObject {
  const next = 'Make one with `biotrakr-cloud site key`, and see that only its owner can read it.'
  try {
    if ((statSync(file).mode & 0o077) === 0) {
      const key = createPrivateKey(readFileSync(file))
      if (key.asymmetricKeyType === 'ed25519') return key
    }
  } catch (cause) {
    throw new BioTrakrError(`cannot read the site key ${file}`, { code: 'CONFIG_UNREADABLE', next, cause })
  }
  throw new BioTrakrError(`${file} is no Ed25519 key, or others can read it`, { code: 'CONFIG_UNREADABLE', next })
}

function writeWhole(file: string, text: string, mode: number): void {
  const half = `${file}.new`
  const handle = openSync(half, 'w', mode)
  try {
    writeFileSync(handle, text)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(half, file)
}
