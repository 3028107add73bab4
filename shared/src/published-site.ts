import { z } from 'zod'

import { isGatewayId } from './ids.ts'
import { siteMapSchema } from './site-map.ts'
import { isTagId } from './tag-identity.ts'

/**
 * What the centre gives a gateway to work with: the map with its survey, whom to follow, and readers' profiles that the
 * product does not bring. It is signed when it is published, by a key that the serving process does not have.
 */
export const publishedSiteSchema = z.strictObject({
  format: z.literal(1),
  gateway: z.string().refine(isGatewayId, 'is not the name of a gateway'),
  /** Grows with every change; a gateway takes no older one than it has. */
  version: z.int().min(1).max(2_147_483_647),
  siteMap: siteMapSchema,
  tags: z.array(z.string().refine(isTagId, 'is not a canonical tag identity')).max(100_000),
  /** Profiles by name, for readers configured as `centre:NAME`; each is checked when a reader is opened with it. */
  profiles: z
    .record(z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/), z.record(z.string(), z.json()))
    .refine((profiles) => Object.keys(profiles).length <= 64, 'has more than 64 profiles'),
})

export type PublishedSite = z.infer<typeof publishedSiteSchema>

/** As it travels and lies on disk: the very text that was signed, so that no other writing of it can matter. */
export const signedSiteSchema = z.strictObject({
  document: z.string().min(2).max(64_000_000),
  /** Ed25519 over `siteToSign(document)`, base 64. */
  signature: z.base64().length(88),
})

export type SignedSite = z.infer<typeof signedSiteSchema>

/** Nothing else that this key may ever sign begins like this. */
export function siteToSign(document: string): Uint8Array {
  return new TextEncoder().encode(`biotrakr site 1\n${document}`)
}

/** Path of the site of a gateway on the server of the centre. */
export function sitePath(gateway: string): string {
  return `/api/v1/gateways/${encodeURIComponent(gateway)}/site`
}
