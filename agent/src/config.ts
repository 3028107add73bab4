import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

import {
  BioTrakrError,
  isGatewayId,
  isTagId,
  parseWhole,
  type SiteMap,
  siteMapSchema,
  type TagId,
} from '@biotrakr/shared'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'

import { openCalibrations } from './calibration-store.ts'
import { bleSourceSchema } from './config-ble.ts'
import { readerSourceSchema } from './config-reader.ts'

/**
 * The agent's configuration, read once at start. Every key is here; unknown keys are errors; every problem is reported
 * at once. Paths are relative to the configuration file.
 */
const path = z.string().min(1).max(4096)
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]', '::1'])

const brokerSchema = z
  .strictObject({
    /** `mqtts://host:8883`; plain `mqtt://` only on this machine. */
    url: z.url({
      protocol: /^mqtts?$/,
      error: 'must be an mqtts:// address such as mqtts://broker.hospital.example:8883',
    }),
    username: z.string().min(1).max(64).optional(),
    passwordFile: path.optional(),
    caFile: path.optional(),
    certFile: path.optional(),
    keyFile: path.optional(),
  })
  .superRefine((broker, context) => {
    const plain = broker.url.startsWith('mqtt:')
    if (plain && !LOOPBACK.has(new URL(broker.url).hostname)) {
      context.addIssue({ code: 'custom', path: ['url'], message: 'must use mqtts:// for a broker on another machine' })
    }
    if ((broker.certFile === undefined) !== (broker.keyFile === undefined)) {
      context.addIssue({ code: 'custom', path: ['keyFile'], message: 'certFile and keyFile belong together' })
    }
  })

const sourceSchema = z.discriminatedUnion('kind', [
  /** A ward that exists only in arithmetic, for trials and demonstrations. */
  z.strictObject({
    kind: z.literal('simulated'),
    seed: z.int().min(0).max(0xffff_ffff).default(1),
    /** When the ward's story began, wall milliseconds: the same story goes on after a restart. */
    startMs: z.int().min(0),
    tags: z.int().min(1).max(10_000).default(40),
  }),
  /** A recorded data set, played as if it happened now. */
  z.strictObject({ kind: z.literal('dataset'), dir: path, part: z.enum(['train', 'test']).default('test') }),
  bleSourceSchema,
  readerSourceSchema,
])

const timeSchema = z.strictObject({
  /** Event seconds per real second. */
  speed: z.number().min(0.01).max(10_000),
  /** Event time at the real time `realStartMs`; both wall milliseconds. */
  eventStartMs: z.int().min(0),
  realStartMs: z.int().min(0),
})

const recordsSchema = z.strictObject({
  /** `change`: a fix enters the ledger when room, reason or method changes; `all`: every window. */
  ledger: z.enum(['change', 'all']).default('change'),
  /** With `change`, how long an unchanged answer may go unrecorded. */
  keepAliveSeconds: z.number().min(1).max(86_400).default(300),
  /** Newest position of every tag, not kept. */
  live: z.boolean().default(true),
  /** At most one live message in this time. */
  liveSeconds: z.number().min(0.2).max(3_600).default(1),
})

const documentSchema = z.strictObject({
  gateway: z
    .string()
    .refine(
      isGatewayId,
      'must be 3-63 lower-case letters, digits or hyphens, starting with a letter or digit; ingester and serve are taken',
    ),
  dataDir: path,
  siteMap: path,
  /** Folder of the calibration; its current version takes the place of a survey in the site map. */
  calibration: path.optional(),
  /** Allow-list of canonical tag identities: everything else is counted and forgotten. */
  tags: z.array(z.string().refine(isTagId, 'is not a canonical tag identity such as ble:c30000123456')).max(100_000),
  broker: brokerSchema,
  sources: z.array(sourceSchema).min(1, 'needs at least one source').max(64),
  /** Only for replayed or simulated sources. */
  time: timeSchema.optional(),
  records: recordsSchema.prefault({}),
  clock: z
    .strictObject({
      /** Exists once a time server has set this machine's clock; systemd-timesyncd makes it by itself. */
      syncedFile: path.default('/run/systemd/timesync/synchronized'),
    })
    .prefault({}),
  filter: z
    .strictObject({
      /** BLE readings below this are dropped. */
      floorDbm: z.number().min(-127).max(-30).default(-95),
    })
    .prefault({}),
  outbox: z
    .strictObject({
      maxMegabytes: z.int().min(8).max(1_000_000).default(700),
      graceHours: z
        .number()
        .min(0)
        .max(24 * 365)
        .default(24),
      keyFile: path.optional(),
    })
    .prefault({}),
  sync: z
    .strictObject({
      window: z.int().min(1).max(64).default(8),
      batchRecords: z.int().min(1).max(5_000).default(1_000),
    })
    .prefault({}),
  api: z
    .strictObject({
      /** Beyond this machine only with TLS; every request then needs the token in `api.token` of the data folder. */
      host: z.string().min(1).max(253).default('127.0.0.1'),
      port: z.int().min(0).max(65_535).default(9470),
      certFile: path.optional(),
      keyFile: path.optional(),
    })
    .superRefine(({ host, certFile, keyFile }, context) => {
      const report = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message })
      if ((certFile === undefined) !== (keyFile === undefined)) {
        report('keyFile', 'certFile and keyFile belong together')
      } else if (!LOOPBACK.has(host) && certFile === undefined) {
        report('host', 'other machines could connect, which takes certFile and keyFile (TLS) here; or use 127.0.0.1')
      }
    })
    .prefault({}),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') }).prefault({}),
})

const configSchema = documentSchema.superRefine(({ sources, time }, context) => {
  const radios = sources.flatMap(({ kind }, at) => (kind === 'ble' ? [at] : []))
  for (const at of radios.slice(1)) {
    context.addIssue({ code: 'custom', path: ['sources', at], message: 'belongs into the first ble source' })
  }
  refuseTwins(sources, context)
  for (const kind of ['ble', 'reader'] as const) {
    if (time === undefined || sources.every((source) => source.kind !== kind)) continue
    context.addIssue({
      code: 'custom',
      path: ['time'],
      message: `is for replays and simulations, not for a ${kind} source`,
    })
  }
})

type SourceDocument = z.infer<typeof sourceSchema>

/** A line has room for one who speaks, and health tells readers apart by their names. */
function refuseTwins(sources: readonly SourceDocument[], context: z.RefinementCtx): void {
  for (const key of ['name', 'address'] as const) {
    const first = new Map<string, number>()
    sources.forEach((source, at) => {
      if (source.kind !== 'reader') return
      const before = first.get(source[key])
      first.set(source[key], before ?? at)
      if (before === undefined) return
      context.addIssue({ code: 'custom', path: ['sources', at, key], message: `is that of sources[${before}]` })
    })
  }
}

export type AgentConfig = Readonly<z.infer<typeof configSchema>> & {
  readonly siteMapDocument: SiteMap
  readonly calibration: string
  /** The version whose survey is in the site map; undefined = none. */
  readonly calibrationVersion: number | undefined
  readonly tags: readonly TagId[]
}

const NEXT = 'Correct the file and start again.'

interface ReadOptions {
  /** False: the site map as it is written, for whoever mends the calibration. */
  readonly withCalibration?: boolean
}

/**
 * Reads the configuration file, the site map it names and the calibration.
 * @throws BioTrakrError CONFIG_UNREADABLE or CONFIG_INVALID, with every problem and its path; CALIBRATION_INVALID
 */
export function readConfig(file: string, { withCalibration = true }: ReadOptions = {}): AgentConfig {
  const base = dirname(resolve(file))
  const config = parseWhole(configSchema, readYaml(file), { origin: file, code: 'CONFIG_INVALID', next: NEXT })
  const at = (name: string) => resolve(base, name)
  const mapFile = at(config.siteMap)
  const siteMapDocument = readSiteMap(mapFile)
  refuseUnmapped(config.sources, { file, siteMap: siteMapDocument })
  const { broker, outbox } = config
  const dataDir = at(config.dataDir)
  const calibration = at(config.calibration ?? `${config.dataDir}/calibration`)
  const current = withCalibration ? openCalibrations(calibration).current() : undefined
  return Object.freeze({
    ...config,
    dataDir,
    siteMap: mapFile,
    siteMapDocument: current ? { ...siteMapDocument, survey: current.survey } : siteMapDocument,
    calibration,
    calibrationVersion: current?.version,
    sources: config.sources.map((source) => withPaths(source, at)),
    broker: {
      ...broker,
      ...(broker.passwordFile && { passwordFile: at(broker.passwordFile) }),
      ...(broker.caFile && { caFile: at(broker.caFile) }),
      ...(broker.certFile && { certFile: at(broker.certFile) }),
      ...(broker.keyFile && { keyFile: at(broker.keyFile) }),
    },
    api: {
      ...config.api,
      ...(config.api.certFile && { certFile: at(config.api.certFile) }),
      ...(config.api.keyFile && { keyFile: at(config.api.keyFile) }),
    },
    outbox: { ...outbox, keyFile: at(outbox.keyFile ?? `${dataDir}/outbox.key`) },
  })
}

/**
 * Reads a site map, YAML or JSON.
 * @throws BioTrakrError CONFIG_UNREADABLE or CONFIG_INVALID, with every problem and its path
 */
export function readSiteMap(file: string): SiteMap {
  return parseWhole(siteMapSchema, readYaml(file), { origin: file, code: 'CONFIG_INVALID', next: NEXT })
}

type SourceConfig = AgentConfig['sources'][number]

function withPaths(source: SourceConfig, at: (name: string) => string): SourceConfig {
  if (source.kind === 'dataset') return { ...source, dir: at(source.dir) }
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
