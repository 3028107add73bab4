import { createPublicKey, verify } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import {
  BioTrakrError,
  type PublishedSite,
  parseWhole,
  publishedSiteSchema,
  type SignedSite,
  signedSiteSchema,
  siteToSign,
  type TagId,
} from '@biotrakr/shared'

import { writeWhole } from './whole-file.ts'

/** Of new files: nobody else's business. */
const MODE = 0o600

/** Whose site it must be, and whose signature it must carry. */
interface Wanted {
  readonly gateway: string
  /** Public key, Ed25519 in PEM. */
  readonly siteKeyFile: string
}

/** A site whose signature and form are right. */
export interface GivenSite extends Omit<PublishedSite, 'tags'> {
  readonly tags: readonly TagId[]
}

const NEXT = 'The last good site stays in use; publish it again with `biotrakr-cloud site publish`.'

/** Folder of what the centre gave, in the data folder of an agent. */
export function siteFolder(dataDir: string): string {
  return join(dataDir, 'site')
}

/** Where a profile that the centre gave lies. */
export function cachedProfile(folder: string, name: string): string {
  return join(folder, 'profiles', `${name.replaceAll(/[^a-z0-9-]/g, '_')}.json`)
}

/**
 * The last good site; checked again, because a disk may be changed by others.
 * @returns undefined when none was ever given
 * @throws BioTrakrError SITE_SIGNATURE, SITE_INVALID, CONFIG_UNREADABLE for the key
 */
export function readCachedSite(folder: string, wanted: Wanted): GivenSite | undefined {
  const file = join(folder, 'site.json')
  if (!existsSync(file)) return undefined
  return openSite(parsed(readFileSync(file, 'utf8'), file), { ...wanted, origin: file })
}

/**
 * Checks the signature first and everything else after it.
 * @throws BioTrakrError SITE_SIGNATURE or SITE_INVALID
 */
export function openSite(
  value: unknown,
  { origin, gateway, siteKeyFile }: Wanted & { readonly origin: string },
): GivenSite {
  const { document, signature } = parseWhole(signedSiteSchema, value, { origin, code: 'SITE_INVALID', next: NEXT })
  if (!verify(null, siteToSign(document), readSiteKey(siteKeyFile), Buffer.from(signature, 'base64'))) {
    throw new BioTrakrError(`${origin} does not carry the signature of this centre`, {
      code: 'SITE_SIGNATURE',
      next: `${NEXT} If the centre has a new key, take it over from \`biotrakr-cloud site key\`.`,
    })
  }
  const site = parseWhole(publishedSiteSchema, parsed(document, origin), { origin, code: 'SITE_INVALID', next: NEXT })
  if (site.gateway !== gateway) {
    throw new BioTrakrError(`${origin} is the site of ${site.gateway}, not of ${gateway}`, {
      code: 'SITE_INVALID',
      next: NEXT,
    })
  }
  return site as GivenSite
}

/** Keeps a checked site: its profiles first, then the site itself, whole or not at all. */
export function keepSite(folder: string, signed: SignedSite, { profiles }: GivenSite): void {
  mkdirSync(join(folder, 'profiles'), { recursive: true, mode: 0o700 })
  for (const [name, profile] of Object.entries(profiles)) {
    writeWhole(cachedProfile(folder, name), `${JSON.stringify(profile)}\n`, MODE)
  }
  writeWhole(join(folder, 'site.json'), `${JSON.stringify(signed)}\n`, MODE)
}

function readSiteKey(file: string) {
  try {
    const key = createPublicKey(readFileSync(file))
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch (cause) {
    throw badKey(file, cause)
  }
  throw badKey(file)
}

function badKey(file: string, cause?: unknown): BioTrakrError {
  const next = 'Write there what `biotrakr-cloud site key` prints at the centre.'
  return new BioTrakrError(`${file} holds no public key of a centre`, { code: 'CONFIG_UNREADABLE', next, cause })
}

function parsed(text: string, origin: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new BioTrakrError(`${origin} is no JSON, or was cut off`, { code: 'SITE_INVALID', next: NEXT, cause })
  }
}
