import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

import {
  BioTrakrError,
  type GatewayId,
  isGatewayId,
  parseWhole,
  type Survey,
  siteMapSchema,
  surveySchema,
} from '@biotrakr/shared'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'

import { databaseAccess } from '../access.ts'
import {
  facilityOfGateway,
  mapReaders,
  type PublishedMap,
  publishMap,
  registeredTags,
  returnToMap,
  type TenantSession,
  withPool,
} from '../administration.ts'
import { type CloudConfig, readConfig, readSecret } from '../config.ts'
import { ensureSiteKey, publishSite, siteToken } from '../site-shelf.ts'
import { inTenant } from './tenant-command.ts'

interface PublishOptions {
  readonly config: string
  readonly facility?: string
  readonly gateway?: string
  readonly survey?: string
  readonly note?: string
  readonly version?: number
  readonly profile: readonly string[]
  readonly json: boolean
}

/**
 * `biotrakr-cloud site publish`: the allow-list is what is registered for the facility. What was stored but could not be
 * signed is signed by running the command again.
 */
export async function publishSiteMap(file: string | undefined, options: PublishOptions): Promise<void> {
  if (file === undefined) await publishStored(options)
  else await publishByHand(file, options)
}

async function publishByHand(
  file: string,
  { config: path, gateway, facility, survey, version, note, profile, json }: PublishOptions,
): Promise<void> {
  const config = readConfig(path)
  const { publishedFolder, keyFile } = sitesOf(config, path)
  if ((gateway === undefined || facility) ?? survey ?? version ?? note) {
    throw usage('a map written by hand is for one gateway, and takes nothing from the database but the tags')
  }
  if (!isGatewayId(gateway)) throw unknownGateway(gateway)
  const how = { origin: file, code: 'SITE_INVALID', next: 'Correct the site map; nothing was published.' } as const
  const siteMap = parseWhole(siteMapSchema, document(file), how)
  const profiles = profilesOf(profile)
  const tags =
    config.org === undefined
      ? await withPool(databaseAccess(config, 'biotrakr-site'), (pool) => registeredTags(pool, gateway))
      : await inTenant(path, ({ read }) => read((client) => registeredTags(client, gateway)))
  if (tags === undefined) throw unknownGateway(gateway)
  const content = { siteMap, tags: [...tags], profiles }
  const signed = publishSite(publishedFolder, gateway, { content, keyFile })
  const result = { gateway, ...signed, tags: tags.length, rooms: siteMap.rooms.length }
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${gateway}: ${plain(signed)}, ${tags.length} tags\n`)
}

async function publishStored(options: PublishOptions): Promise<void> {
  const { config: path, profile, json } = options
  const { publishedFolder, keyFile } = sitesOf(readConfig(path), path)
  ensureSiteKey(keyFile)
  const profiles = profile.length === 0 ? undefined : profilesOf(profile)
  const survey = options.survey === undefined ? undefined : surveyOf(options.survey)
  const { map, gateways, tags, facility } = await inTenant(path, (tenant) => store(tenant, { ...options, survey }))
  const signed = gateways.map((gateway) => {
    const content = { siteMap: map.siteMap, tags: [...tags], profiles }
    return { gateway, ...publishSite(publishedFolder, gateway as GatewayId, { content, keyFile }) }
  })
  const { version, isNew, siteMap } = map
  if (json) {
    const result = { facility, version, isNew, rooms: siteMap.rooms.length, tags: tags.length, gateways: signed }
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  const what = isNew ? `map ${version} is in force` : `nothing is new; map ${version} stays`
  process.stdout.write(`${facility}: ${what}, ${siteMap.rooms.length} rooms, ${tags.length} tags\n`)
  for (const each of signed) process.stdout.write(`${each.gateway}: ${plain(each)}\n`)
}

interface Stored {
  readonly facility: string
  readonly map: PublishedMap
  readonly gateways: readonly string[]
  readonly tags: Awaited<ReturnType<typeof mapReaders>>['tags']
}

type StoreWish = Pick<PublishOptions, 'facility' | 'gateway' | 'note' | 'version'> & {
  readonly survey: Survey | undefined
}

function store(tenant: TenantSession, { gateway, note, version, survey, ...wish }: StoreWish): Promise<Stored> {
  if (version !== undefined && (survey ?? note)) throw usage('a version that was published takes no survey and no note')
  return tenant.write(async (client) => {
    const own = gateway === undefined ? undefined : await facilityOfGateway(client, gateway)
    if (gateway !== undefined && own === undefined) throw unknownGateway(gateway)
    const facility = wish.facility ?? own
    if (facility === undefined) throw usage('neither a map nor --facility nor --gateway says what to publish')
    if (own !== undefined && own !== facility) throw usage(`gateway ${gateway} belongs to facility "${own}"`)
    const map =
      version === undefined
        ? await publishMap(client, { facility, survey, note })
        : await returnToMap(client, { facility, version })
    const readers = await mapReaders(client, facility)
    return { facility, map, tags: readers.tags, gateways: gateway === undefined ? readers.gateways : [gateway] }
  })
}

function plain({ version, isNew }: { readonly version: number; readonly isNew: boolean }): string {
  return isNew ? `published version ${version}` : `nothing is new; version ${version} stays`
}

function profilesOf(files: readonly string[]): Record<string, Record<string, never>> {
  const profiles = files.map((each) => [basename(each).replace(/\.json$/, ''), document(each)])
  return Object.fromEntries(profiles) as Record<string, Record<string, never>>
}

/** A calibration is a site map with a survey; what else it says is not taken over. */
function surveyOf(file: string): Survey {
  const next = 'Give the site map that `biotrakr calibrate` wrote; nothing was published.'
  return parseWhole(z.object({ survey: surveySchema }), document(file), { origin: file, code: 'SITE_INVALID', next })
    .survey
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

function usage(message: string): BioTrakrError {
  return new BioTrakrError(message, {
    code: 'USAGE',
    next: 'See `biotrakr-cloud site publish --help`; nothing was published.',
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
