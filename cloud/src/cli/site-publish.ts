import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

import { BioTrakrError, isGatewayId, parseWhole, siteMapSchema } from '@biotrakr/shared'
import { parse as parseYaml } from 'yaml'

import { databaseAccess } from '../access.ts'
import { registeredTags, withPool } from '../administration.ts'
import { type CloudConfig, readConfig, readSecret } from '../config.ts'
import { ensureSiteKey, publishSite, siteToken } from '../site-shelf.ts'

interface PublishOptions {
  readonly config: string
  readonly gateway: string
  readonly profile: readonly string[]
  readonly json: boolean
}

/** `biotrakr-cloud site publish MAP --gateway NAME`: the allow-list is what is registered for the gateway's facility. */
export async function publishSiteMap(
  file: string,
  { config: path, gateway, profile, json }: PublishOptions,
): Promise<void> {
  const config = readConfig(path)
  const { publishedFolder, keyFile } = sitesOf(config, path)
  if (!isGatewayId(gateway)) throw unknownGateway(gateway)
  const how = { origin: file, code: 'SITE_INVALID', next: 'Correct the site map; nothing was published.' } as const
  const siteMap = parseWhole(siteMapSchema, document(file), how)
  const profiles = Object.fromEntries(profile.map((each) => [basename(each).replace(/\.json$/, ''), document(each)]))
  const tags = await withPool(databaseAccess(config, 'biotrakr-site'), (pool) => registeredTags(pool, gateway))
  if (tags === undefined) throw unknownGateway(gateway)
  const content = { siteMap, tags: [...tags], profiles: profiles as Record<string, Record<string, never>> }
  const { version, isNew } = publishSite(publishedFolder, gateway, { content, keyFile })
  const result = { gateway, version, isNew, tags: tags.length, rooms: siteMap.rooms.length }
  const plain = isNew ? `published version ${version}` : `nothing is new; version ${version} stays`
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${gateway}: ${plain}, ${tags.length} tags\n`)
}

/** `biotrakr-cloud site key`: makes the key where there is none, and prints what gateways pin. */
export function showSiteKey({ config }: { readonly config: string }): void {
  process.stdout.write(ensureSiteKey(sitesOf(readConfig(config), config).keyFile))
}

/** `biotrakr-cloud site token GATEWAY`: for the file that the gateway names in centre.tokenFile. */
export function showSiteToken(gateway: string, { config: path }: { readonly config: string }): void {
  const { serve } = readConfig(path)
  if (!isGatewayId(gateway)) throw unknownGateway(gateway)
  if (serve.tokenFile === undefined) {
    throw new BioTrakrError(`${path} names no serve.tokenFile, so that gateways need no token`, {
      code: 'USAGE',
      next: 'Give the configuration of `serve`.',
    })
  }
  process.stdout.write(`${siteToken(readSecret(serve.tokenFile), gateway)}\n`)
}

function sitesOf({ sites }: CloudConfig, path: string): NonNullable<CloudConfig['sites']> {
  if (sites !== undefined) return sites
  throw new BioTrakrError(`${path} does not say where sites are published and with which key`, {
    code: 'CONFIG_INVALID',
    next: 'Set sites.publishedFolder and sites.keyFile.',
  })
}

function unknownGateway(gateway: string): BioTrakrError {
  return new BioTrakrError(`there is no gateway "${gateway}"`, {
    code: 'NOT_FOUND',
    next: 'See `biotrakr-cloud gateways list`, or register it with `biotrakr-cloud site import`.',
  })
}

function document(file: string): unknown {
  try {
    return parseYaml(readFileSync(file, 'utf8'))
  } catch (cause) {
    const next = 'Check the path and the form of the file: YAML, or JSON.'
    throw new BioTrakrError(`cannot read ${file}`, { code: 'CONFIG_UNREADABLE', next, cause })
  }
}
