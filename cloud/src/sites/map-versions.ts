import { createHash } from 'node:crypto'

import { BioTrakrError, type SiteMap, type Survey, type TagId } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { buildMap, parseMap } from './build-map.ts'
import { findFacility } from './site-lists.ts'

export interface MapVersion {
  readonly version: number
  /** Of the document's text, hexadecimal. */
  readonly sha256: string
  readonly note: string | null
  readonly publishedAt: Date
  readonly publishedBy: string
  /** The one that the facility's gateways work with. */
  readonly isCurrent: boolean
}

interface PublishWish {
  readonly facility: string
  /** From a calibration; without one that of the version before stays. */
  readonly survey?: Survey | undefined
  readonly note?: string | undefined
}

export interface PublishedMap {
  readonly version: number
  /** False: the facility says what the current version says, which stays. */
  readonly isNew: boolean
  readonly siteMap: SiteMap
}

/**
 * Makes a map of what is written down of the facility and puts it into force, as its next version if anything is new.
 * @param client within a scope that may write
 * @throws BioTrakrError NOT_FOUND or SITE_INVALID
 */
export async function publishMap(
  client: ClientBase,
  { facility: code, survey, note }: PublishWish,
): Promise<PublishedMap> {
  const { id: facilityId } = await lockFacility(client, code)
  const current = await currentMap(client, facilityId)
  const { rows } = await client.query<{ next: number }>(
    'select coalesce(max(version), 0) + 1 as next from site.map_version where facility_id = $1',
    [facilityId],
  )
  const version = rows[0]?.next ?? 1
  const siteMap = await buildMap(client, { facilityId, version, survey: survey ?? current?.survey })
  if (current && textOf({ ...siteMap, version: current.version }) === textOf(current)) {
    return { version: current.version, isNew: false, siteMap: current }
  }
  const document = textOf(siteMap)
  await client.query(
    `insert into site.map_version (org_id, facility_id, version, document, sha256, note, published_by)
     values (iam.current_org(), $1, $2, $3, $4, $5, current_setting('app.actor'))`,
    [facilityId, version, document, createHash('sha256').update(document).digest(), note ?? null],
  )
  await putInForce(client, facilityId, version)
  return { version, isNew: true, siteMap }
}

/**
 * Goes back, or forward again, to a version that was published before.
 * @throws BioTrakrError NOT_FOUND
 */
export async function returnToMap(
  client: ClientBase,
  { facility: code, version }: { readonly facility: string; readonly version: number },
): Promise<PublishedMap> {
  const { id: facilityId } = await lockFacility(client, code)
  const siteMap = await readMap(client, { facility: code, version })
  const isNew = (await currentMap(client, facilityId))?.version !== version
  if (isNew) await putInForce(client, facilityId, version)
  return { version, isNew, siteMap }
}

/** Every version of a facility, the newest first. @throws BioTrakrError NOT_FOUND */
export async function listMaps(client: ClientBase, facility: string): Promise<MapVersion[]> {
  const { id, map_version: current } = await findFacility(client, facility)
  const { rows } = await client.query<MapVersion>(
    `select version, encode(sha256, 'hex') as sha256, note, published_at as "publishedAt", published_by as "publishedBy",
       version is not distinct from $2 as "isCurrent"
     from site.map_version where facility_id = $1 order by version desc limit 1000`,
    [id, current],
  )
  return rows
}

/** @throws BioTrakrError NOT_FOUND */
export async function readMap(
  client: ClientBase,
  { facility, version }: { readonly facility: string; readonly version: number },
): Promise<SiteMap> {
  const { id } = await findFacility(client, facility)
  const found = await storedMap(client, id, version)
  if (found) return found
  throw new BioTrakrError(`Facility "${facility}" has no map of version ${version}`, {
    code: 'NOT_FOUND',
    next: 'See `biotrakr-cloud site versions`.',
  })
}

/** Who works with a facility's map, and which tags they follow. @throws BioTrakrError NOT_FOUND */
export async function mapReaders(
  client: ClientBase,
  facility: string,
): Promise<{ readonly gateways: readonly string[]; readonly tags: readonly TagId[] }> {
  const { id } = await findFacility(client, facility)
  const { rows } = await client.query<{ gateways: string[]; tags: TagId[] }>(
    `select array(select name from site.gateway where facility_id = $1 and status not in ('blocked', 'retired')
         order by name collate "C") as gateways,
       array(select identity from rtls.tag where facility_id = $1 and status <> 'retired'
         order by identity collate "C") as tags`,
    [id],
  )
  return rows[0] ?? { gateways: [], tags: [] }
}

/** @returns the code of the facility, undefined for a gateway that is not registered */
export async function facilityOfGateway(client: ClientBase, gateway: string): Promise<string | undefined> {
  const { rows } = await client.query<{ code: string }>(
    `select f.code from site.gateway g join site.facility f on f.org_id = g.org_id and f.id = g.facility_id
     where g.name = $1`,
    [gateway],
  )
  return rows[0]?.code
}

/** Two people publishing the same facility wait for each other. */
async function lockFacility(client: ClientBase, code: string): Promise<{ readonly id: number }> {
  const facility = await findFacility(client, code)
  await client.query('select from site.facility where id = $1 for no key update', [facility.id])
  return facility
}

async function currentMap(client: ClientBase, facilityId: number): Promise<SiteMap | undefined> {
  const { rows } = await client.query<{ map_version: number | null }>(
    'select map_version from site.facility where id = $1',
    [facilityId],
  )
  const version = rows[0]?.map_version ?? undefined
  return version === undefined ? undefined : storedMap(client, facilityId, version)
}

async function storedMap(client: ClientBase, facilityId: number, version: number): Promise<SiteMap | undefined> {
  const { rows } = await client.query<{ document: unknown }>(
    'select document from site.map_version where facility_id = $1 and version = $2',
    [facilityId, version],
  )
  return rows[0] && parseMap(rows[0].document, `Version ${version} as stored`)
}

async function putInForce(client: ClientBase, facilityId: number, version: number): Promise<void> {
  await client.query('update site.facility set map_version = $2 where id = $1', [facilityId, version])
}

/** Of a map that was parsed: keys are in the order of the schema, so that equal maps have equal texts. */
function textOf(map: SiteMap): string {
  return JSON.stringify(map)
}
