import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

import { BioTrakrError, parseWhole } from '@biotrakr/shared'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'

/**
 * Configuration of one process of the centre, read once at start. Every process has a file of its own, so that it holds
 * only its own secrets. Unknown keys are errors; every problem is reported at once. Paths are relative to the file.
 */
const path = z.string().min(1).max(4096)
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]', '::1'])

const databaseSchema = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  port: z.int().min(1).max(65_535).default(5432),
  database: z.string().min(1).max(63).default('biotrakr'),
  user: z.string().min(1).max(63),
  passwordFile: path.optional(),
  /** `off` is for a server on this machine only; `verify` checks the server's certificate. */
  tls: z.enum(['off', 'verify']).default('verify'),
  caFile: path.optional(),
  /** `transaction` when host and port are those of a pooler such as PgBouncer in that mode. For serve and ingest only. */
  pooling: z.enum(['none', 'transaction']).default('none'),
})

const brokerSchema = z.strictObject({
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

const serveSchema = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(8080),
  /** Bearer token that every request but /health must carry; needed as soon as other machines can connect. */
  tokenFile: path.optional(),
  /** Certificate and key of this server: TLS 1.3, and a renewed pair is taken while it runs. */
  certFile: path.optional(),
  keyFile: path.optional(),
  /** A proxy in front of it speaks TLS, and nobody else can connect. */
  behindProxy: z.boolean().default(false),
  /** Releases that gateways may take, from `biotrakr-cloud release add`. */
  releasesFolder: path.optional(),
  /** Signed sites of gateways, from `biotrakr-cloud site publish`. */
  sitesFolder: path.optional(),
})

/** Of the process that gives out certificates; it alone may read the folder of the authority. */
const enrollSchema = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(8443),
  authorityFolder: path,
  /** Certificate and key of this server, from `biotrakr-cloud ca server`. */
  certFile: path,
  keyFile: path,
  /** Where the broker reads the revocation list. */
  revocationListFile: path,
  /** Of the broker, when this process may signal it; otherwise something has to reload it when the list changes. */
  brokerPidFile: path.optional(),
  /** Where gateways connect to the broker: a revoked one is thrown out there. */
  brokerUrl: z.url({ protocol: /^mqtts$/, error: 'must be an mqtts:// address' }),
  /** Port on 127.0.0.1 where `enroll` answers /health and /metrics; 0 = any free one. */
  probePort: z.int().min(0).max(65_535).default(9472),
})

const backupSchema = z.strictObject({
  folder: path,
  keyFile: path,
  keepDays: z.int().min(1).max(3_650).default(30),
  /** The first backup of a month is kept so many months. */
  keepMonths: z.int().min(0).max(240).default(13),
  /** Where pg_dump and pg_restore are; looked for without it. */
  toolFolder: path.optional(),
})

const configSchema = z
  .strictObject({
    database: databaseSchema,
    /** Needed by `ingest` and `serve`. */
    broker: brokerSchema.optional(),
    /** Slug of the organisation that `serve` shows. */
    org: z.string().min(1).max(64).optional(),
    serve: serveSchema.prefault({}),
    /** Where `ingest` answers /health and /metrics, which name no tag and no person; port 0 = any free one. */
    ingest: z
      .strictObject({ host: z.string().min(1).default('127.0.0.1'), port: z.int().min(0).max(65_535).default(9471) })
      .prefault({}),
    /** Where `maintain` answers /health and /metrics; port 0 = any free one. */
    maintain: z
      .strictObject({ host: z.string().min(1).default('127.0.0.1'), port: z.int().min(0).max(65_535).default(9473) })
      .prefault({}),
    /** Needed by `site publish` and `site key`; `serve` gets the folder alone. */
    sites: z.strictObject({ publishedFolder: path, keyFile: path }).optional(),
    /** Needed by `backup` and `restore`; the key is none that the database holds. */
    backup: backupSchema.optional(),
    /** Where `audit anchor` keeps signed heads of the audit chain: best on another machine, or written once. */
    audit: z.strictObject({ anchorFolder: path, keyFile: path }).optional(),
    /**
     * The master key under which people's names and numbers are sealed, 64 hexadecimal digits; needed for people. While it
     * is changed, the one before.
     */
    keys: z.strictObject({ masterKeyFile: path, previousMasterKeyFile: path.optional() }).optional(),
    /** Needed by `enroll`. */
    enroll: enrollSchema.optional(),
    log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') }).prefault({}),
  })
  .superRefine(({ database, broker, serve }, context) => {
    const report = (at: string[], message: string) => context.addIssue({ code: 'custom', path: at, message })
    if (database.tls === 'off' && !LOOPBACK.has(database.host) && !database.host.startsWith('/')) {
      report(['database', 'tls'], 'must be "verify" for a server on another machine')
    }
    if (broker?.url.startsWith('mqtt:') && !LOOPBACK.has(new URL(broker.url).hostname)) {
      report(['broker', 'url'], 'must use mqtts:// for a broker on another machine')
    }
    if (broker && (broker.certFile === undefined) !== (broker.keyFile === undefined)) {
      report(['broker', 'keyFile'], 'certFile and keyFile belong together')
    }
    if (!LOOPBACK.has(serve.host) && serve.tokenFile === undefined) {
      report(['serve', 'tokenFile'], 'is needed when serve.host is not this machine alone')
    }
    if ((serve.certFile === undefined) !== (serve.keyFile === undefined)) {
      report(['serve', 'keyFile'], 'certFile and keyFile belong together')
    }
    if (!LOOPBACK.has(serve.host) && serve.certFile === undefined && !serve.behindProxy) {
      report(['serve', 'certFile'], 'is needed when serve.host is not this machine alone, or serve.behindProxy: true')
    }
  })

export type CloudConfig = Readonly<z.infer<typeof configSchema>>

const NEXT = 'Correct the file and start again.'

/** @throws BioTrakrError CONFIG_UNREADABLE or CONFIG_INVALID, with every problem and its path */
export function readConfig(file: string): CloudConfig {
  const config = parseWhole(configSchema, readYaml(file), { origin: file, code: 'CONFIG_INVALID', next: NEXT })
  const base = dirname(resolve(file))
  return Object.freeze(resolvePaths(config, base))
}

/** Every key that ends in `File` or `Folder` names one. */
function resolvePaths<T extends object>(section: T, base: string): T {
  const entries = Object.entries(section).map(([key, value]) => {
    if (/(File|Folder)$/.test(key) && typeof value === 'string') return [key, pathOf(value, base)]
    return [key, typeof value === 'object' && value !== null ? resolvePaths(value, base) : value]
  })
  return Object.fromEntries(entries) as T
}

const CREDENTIAL = 'credential:'

/** A path relative to the file, or a credential that the service manager hands over (systemd.exec, LoadCredential=). */
function pathOf(name: string, base: string): string {
  if (!name.startsWith(CREDENTIAL)) return resolve(base, name)
  const folder = process.env['CREDENTIALS_DIRECTORY']
  const credential = name.slice(CREDENTIAL.length)
  if (folder !== undefined && /^[A-Za-z0-9._-]{1,255}$/.test(credential)) return resolve(folder, credential)
  throw new BioTrakrError(`the credential ${credential} is not there`, {
    code: 'CONFIG_UNREADABLE',
    next: 'Credentials come with the service: run it by systemctl, or name a file while trying things out.',
  })
}

function readYaml(file: string): unknown {
  const text = readFile(file).toString('utf8')
  try {
    return parseYaml(text)
  } catch (cause) {
    throw new BioTrakrError(`${file} is not YAML`, { code: 'CONFIG_INVALID', next: NEXT, cause })
  }
}

/** @throws BioTrakrError CONFIG_UNREADABLE */
export function readFile(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    const next = 'Check the path and who may read it.'
    throw new BioTrakrError(`cannot read ${file}`, { code: 'CONFIG_UNREADABLE', next, cause })
  }
}

/**
 * Reads a secret from its file. A secret that others on the machine can read is no secret, so that is an error.
 * @throws BioTrakrError CONFIG_UNREADABLE
 */
export function readSecret(file: string): string {
  const text = readFile(file).toString('utf8').trim()
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new BioTrakrError(`${file} can be read by other users`, {
      code: 'CONFIG_UNREADABLE',
      next: `Run: chmod 600 ${file}`,
    })
  }
  return text
}
