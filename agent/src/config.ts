import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

import { BioTrakrError, parseWhole, type SiteMap, siteMapSchema, type TagId } from '@biotrakr/shared'
import { parse as parseYaml } from 'yaml'
import type { z } from 'zod'

import { openCalibrations } from './calibration-store.ts'
import { configSchema } from './config-schema.ts'
import { cachedProfile, readCachedSite, siteFolder } from './site-cache.ts'

export type AgentConfig = Readonly<Omit<z.infer<typeof configSchema>, 'tags' | 'siteMap'>> & {
  readonly siteMapDocument: SiteMap
  readonly calibration: string
  /** The version whose survey is in the site map; undefined = none. */
  readonly calibrationVersion: number | undefined
  /** The file, where there is one. */
  readonly siteMap: string | undefined
  readonly tags: readonly TagId[]
  /** Version of the site that the centre gave; undefined = none is in use. */
  readonly siteVersion: number | undefined
}

const NEXT = 'Correct the file and start again.'

interface ReadOptions {
  /** False: the site map as it is written, for whoever mends the calibration. */
  readonly withCalibration?: boolean
  /** False: the centre need not have given a site yet, for what a box does before its first start. */
  readonly needsSite?: boolean
}

const NO_SITE: SiteMap = { version: 1, rooms: [], receivers: [], adjacency: [] }

/**
 * Reads the configuration file, the site map it names and the calibration.
 * @throws BioTrakrError CONFIG_UNREADABLE or CONFIG_INVALID, with every problem and its path; CALIBRATION_INVALID
 */
export function readConfig(file: string, { withCalibration = true, needsSite = true }: ReadOptions = {}): AgentConfig {
  const base = dirname(resolve(file))
  const config = parseWhole(configSchema, readYaml(file), { origin: file, code: 'CONFIG_INVALID', next: NEXT })
  const at = (name: string) => pathOf(name, base)
  const dataDir = at(config.dataDir)
  const siteMap = config.siteMap && at(config.siteMap)
  const centre = config.centre && { ...config.centre, ...filesOf(config.centre, at) }
  const given = centre && readCachedSite(siteFolder(dataDir), { ...centre, gateway: config.gateway })
  const siteMapDocument = given?.siteMap ?? (siteMap === undefined ? NO_SITE : readSiteMap(siteMap))
  if (siteMapDocument !== NO_SITE) refuseUnmapped(config.sources, { file, siteMap: siteMapDocument })
  else if (needsSite) noSite(file)
  const { broker, outbox } = config
  const calibration = at(config.calibration ?? `${config.dataDir}/calibration`)
  const current = withCalibration ? openCalibrations(calibration).current() : undefined
  return Object.freeze({
    ...config,
    dataDir,
    siteMap,
    centre,
    siteVersion: given?.version,
    tags: given?.tags ?? config.tags ?? [],
    siteMapDocument: current ? { ...siteMapDocument, survey: current.survey } : siteMapDocument,
    calibration,
    calibrationVersion: current?.version,
    sources: config.sources.map((source) => withPaths(source, { at, dataDir })),
    broker: { ...broker, ...filesOf(broker, at) },
    api: { ...config.api, ...filesOf(config.api, at) },
    outbox: { ...outbox, keyFile: at(outbox.keyFile ?? `${dataDir}/outbox.key`) },
  })
}

/** Where a configuration gets its site from. */
interface CentreAccess {
  readonly gateway: string
  readonly dataDir: string
  readonly centre: NonNullable<AgentConfig['centre']>
  /** False: nothing can be located before the centre has given a site. */
  readonly hasSite: boolean
}

/**
 * Reads of the configuration what is needed to ask the centre for the site, which need not be there yet.
 * @returns undefined where no centre is named
 * @throws BioTrakrError CONFIG_UNREADABLE or CONFIG_INVALID
 */
export function readCentre(file: string): CentreAccess | undefined {
  const config = parseWhole(configSchema, readYaml(file), { origin: file, code: 'CONFIG_INVALID', next: NEXT })
  if (config.centre === undefined) return undefined
  const at = (name: string) => pathOf(name, dirname(resolve(file)))
  const centre = { ...config.centre, ...filesOf(config.centre, at) }
  const dataDir = at(config.dataDir)
  const held = readCachedSite(siteFolder(dataDir), { ...centre, gateway: config.gateway })
  return { gateway: config.gateway, dataDir, centre, hasSite: held !== undefined || config.siteMap !== undefined }
}

/**
 * Reads a site map, YAML or JSON.
 * @throws BioTrakrError CONFIG_UNREADABLE or CONFIG_INVALID, with every problem and its path
 */
export function readSiteMap(file: string): SiteMap {
  return parseWhole(siteMapSchema, readYaml(file), { origin: file, code: 'CONFIG_INVALID', next: NEXT })
}

type PathOf = (name: string) => string

const CREDENTIAL = 'credential:'
/** Where systemd takes them from; commands that root runs look there themselves. */
const STORE = '/etc/credstore'
const FROM_CENTRE = 'centre:'

/** A path relative to the file, or a credential that the service manager hands over (systemd.exec, LoadCredential=). */
function pathOf(name: string, base: string): string {
  if (!name.startsWith(CREDENTIAL)) return resolve(base, name)
  const folder = process.env['CREDENTIALS_DIRECTORY'] ?? (process.getuid?.() === 0 ? STORE : undefined)
  const credential = name.slice(CREDENTIAL.length)
  if (folder !== undefined && /^[A-Za-z0-9._-]{1,255}$/.test(credential)) return resolve(folder, credential)
  throw new BioTrakrError(`the credential ${credential} is not there`, {
    code: 'CONFIG_UNREADABLE',
    next: 'Credentials come with the service: run it by systemctl, this command by sudo, or name a file.',
  })
}

/** The keys of a section that name files, as whole paths. */
function filesOf<T extends object>(section: T, at: PathOf): Pick<T, Extract<keyof T, `${string}File`>> {
  const files = Object.entries(section).filter(([key, value]) => key.endsWith('File') && typeof value === 'string')
  return Object.fromEntries(files.map(([key, value]) => [key, at(value)])) as ReturnType<typeof filesOf<T>>
}

function noSite(file: string): void {
  throw new BioTrakrError(`${file} names no site map, and the centre has not given one yet`, {
    code: 'SITE_UNKNOWN',
    next: 'Let `biotrakr run` reach the centre once, or name a file in siteMap until then.',
  })
}

type SourceConfig = AgentConfig['sources'][number]

function withPaths(source: SourceConfig, { at, dataDir }: { at: PathOf; dataDir: string }): SourceConfig {
  if (source.kind === 'dataset') return { ...source, dir: at(source.dir) }
  if (source.kind === 'reader' && source.profile.startsWith(FROM_CENTRE)) {
    return { ...source, profile: cachedProfile(siteFolder(dataDir), source.profile.slice(FROM_CENTRE.length)) }
  }
  // A profile's id has no slash.
  if (source.kind === 'reader' && source.profile.includes('/')) return { ...source, profile: at(source.profile) }
  return source.kind === 'ble' && source.keysFile ? { ...source, keysFile: at(source.keysFile) } : source
}

/** What is heard belongs to a place; an adapter or antenna without one would hear in vain. */
function refuseUnmapped(
  sources: readonly SourceConfig[],
  { file, siteMap }: { readonly file: string; readonly siteMap: SiteMap },
): void {
  const mapped = new Set<string>(siteMap.receivers.map(({ id }) => id))
  const missing = sources.flatMap(receiversOf).filter((receiver) => !mapped.has(receiver))
  if (missing.length === 0) return
  throw new BioTrakrError(`${file}: the site map does not name the receivers ${missing.join(', ')}`, {
    code: 'CONFIG_INVALID',
    next: 'Add them to the site map, or correct their names.',
  })
}

function receiversOf(source: SourceConfig): readonly string[] {
  if (source.kind === 'ble') return source.adapters.map(({ receiver }) => receiver)
  return source.kind === 'reader' ? Object.values(source.antennas) : []
}

function readYaml(file: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new BioTrakrError(`cannot read ${file}`, {
      code: 'CONFIG_UNREADABLE',
      next: 'Check the path and who may read it.',
      cause,
    })
  }
  try {
    return parseYaml(text)
  } catch (cause) {
    throw new BioTrakrError(`${file} is not YAML`, { code: 'CONFIG_INVALID', next: NEXT, cause })
  }
}

/** @throws BioTrakrError CONFIG_UNREADABLE */
export function readCredential(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new BioTrakrError(`cannot read ${file}`, { code: 'CONFIG_UNREADABLE', next: 'Check the path.', cause })
  }
}

/**
 * Reads a secret from its file. A secret that others on the machine can read is no secret, so that is an error.
 * @throws BioTrakrError CONFIG_UNREADABLE
 */
export function readSecret(file: string): string {
  try {
    if ((statSync(file).mode & 0o077) !== 0) {
      throw new BioTrakrError(`${file} can be read by other users`, {
        code: 'CONFIG_UNREADABLE',
        next: `Run: chmod 600 ${file}`,
      })
    }
    return readFileSync(file, 'utf8').trim()
  } catch (cause) {
    if (cause instanceof BioTrakrError) throw cause
    throw new BioTrakrError(`cannot read ${file}`, {
      code: 'CONFIG_UNREADABLE',
      next: 'Check the path and who may read it.',
      cause,
    })
  }
}
