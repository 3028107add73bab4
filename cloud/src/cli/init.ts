import { randomBytes } from 'node:crypto'
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'
import type { Command } from 'commander'
import { stringify } from 'yaml'

import { brokerAccessList, brokerConfig, initAuthority, replaceFile } from '../administration.ts'
import { ensureSiteKey } from '../site-shelf.ts'
import { ensureAnchorKey } from '../trust.ts'

interface InitOptions {
  readonly host: string
  readonly org: string
  readonly folder: string
  readonly env: string
}

const SECRETS = [
  'postgres-password',
  'bt_ingest-password',
  'bt_api-password',
  'bt_ca-password',
  'bt_jobs-password',
  'bt_backup-password',
  'serve-token',
  'grafana-password',
  'master-key',
]
const DAY_MS = 86_400_000
const PAIR_DAYS = 397
const LIST_DAYS = 7
const BACKDATE_MS = 3_600_000
/** Account of the image, for files that root has made. */
const IMAGE_USER = 10_001
const SOCKET = '/var/run/postgresql'

/** `biotrakr-cloud init`: everything that docker-compose.yml needs and that nobody else may have. */
export function addInit(cloud: Command): void {
  cloud
    .command('init')
    .description('write the secrets, certificate authorities and configurations for docker-compose.yml, once')
    .requiredOption('--host <name>', 'name under which gateways and people reach this machine')
    .requiredOption('--org <slug>', 'organisation that is served, as in its site file')
    .option('--folder <folder>', 'where they are written', 'deploy/local')
    .option('--env <file>', 'file of variables that compose reads', '.env')
    .action(init)
}

async function init({ host, org, folder, env }: InitOptions): Promise<void> {
  refuseOdd(host, /^(?=.{1,253}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i, 'host name')
  refuseOdd(org, /^[a-z0-9][a-z0-9-]{0,62}$/, 'slug of an organisation')
  for (const target of [folder, env]) refuseExisting(target)
  const at = (...parts: string[]) => join(folder, ...parts)
  for (const part of [
    'secrets',
    'pki',
    'page',
    'config',
    'broker',
    'run',
    'sites',
    'releases',
    'backups',
    'anchors',
    'prometheus',
    'grafana',
  ]) {
    mkdirSync(at(part), { recursive: true, mode: 0o700 })
  }
  for (const name of SECRETS) replaceFile(at('secrets', name), `${randomBytes(32).toString('hex')}\n`, 0o400)
  await writeCertificates(at, host)
  writeBroker(at)
  for (const [name, config] of Object.entries(configs(org))) {
    replaceFile(at('config', `${name}.yaml`), stringify(config), 0o600)
  }
  ensureSiteKey(at('site.key'))
  replaceFile(at('backup.key'), `${randomBytes(32).toString('base64')}\n`, 0o400)
  ensureAnchorKey(at('audit.key'))
  const user = ownTree(folder)
  const mounted = relative('.', resolve(folder))
  replaceFile(env, `BIOTRAKR_FOLDER=./${mounted}\nBIOTRAKR_USER=${user}\n`, 0o600)
  process.stdout.write(
    `${folder} holds the secrets, both certificate authorities and the keys of backups and of people's data: keep a copy of it in a safe.\nNext: docker compose up -d\n`,
  )
}

type At = (...parts: string[]) => string

async function writeCertificates(at: At, host: string): Promise<void> {
  const nowMs = Date.now()
  const fromMs = nowMs - BACKDATE_MS
  const authority = await initAuthority(at('authority'), nowMs)
  const list = await authority.revocationList([], { fromMs, untilMs: nowMs + LIST_DAYS * DAY_MS })
  replaceFile(at('broker', 'gateways.crl'), list, 0o644)
  const write = async (path: string, subject: Parameters<typeof authority.centre>[0]) => {
    const { certificate, key } = await authority.centre(subject, { fromMs, untilMs: nowMs + PAIR_DAYS * DAY_MS })
    replaceFile(`${path}.key`, key, 0o400)
    replaceFile(`${path}.pem`, certificate, 0o644)
  }
  await write(at('broker', 'broker'), { server: [host, 'broker'] })
  await write(at('pki', 'enroll'), { server: [host, 'enroll'] })
  // In a folder of its own, so that a renewed pair is seen by the container that is running.
  await write(at('page', 'page'), { server: [host, 'serve'] })
  await write(at('pki', 'ingester'), { process: 'ingester' })
  await write(at('pki', 'serve'), { process: 'serve' })
}

function writeBroker(at: At): void {
  const inside = (name: string) => `/etc/biotrakr/broker/${name}`
  const text = brokerConfig({
    gateways: { port: 8883 },
    centre: { port: 8884 },
    certFile: inside('broker.pem'),
    keyFile: inside('broker.key'),
    gatewayCaFile: inside('gateway-ca.pem'),
    centreCaFile: inside('centre-ca.pem'),
    revocationListFile: inside('gateways.crl'),
    aclFile: inside('acl'),
    pidFile: '/run/mosquitto/mosquitto.pid',
  })
  replaceFile(at('broker', 'mosquitto.conf'), text, 0o600)
  replaceFile(at('broker', 'acl'), brokerAccessList(), 0o600)
  for (const name of ['gateway-ca.pem', 'centre-ca.pem']) {
    replaceFile(at('broker', name), readFileSync(at('authority', name), 'utf8'), 0o644)
  }
}

const KEYS = { masterKeyFile: '/run/secrets/master-key' }
const AUDIT = { anchorFolder: '/var/lib/biotrakr-anchors', keyFile: '/run/secrets/audit-key' }

const database = (user: string, secret: string) => ({
  host: SOCKET,
  user,
  passwordFile: `/run/secrets/${secret}-password`,
  tls: 'off',
})

function configs(org: string): Readonly<Record<string, object>> {
  const broker = (name: string) => ({
    url: 'mqtts://broker:8884',
    caFile: '/etc/biotrakr/centre-ca.pem',
    certFile: `/etc/biotrakr/${name}.pem`,
    keyFile: `/run/secrets/${name}-key`,
  })
  return {
    migrate: { database: database('postgres', 'postgres') },
    // Its figures are for Prometheus, in the network of these containers only.
    ingest: { database: database('bt_ingest', 'bt_ingest'), broker: broker('ingester'), ingest: { host: '0.0.0.0' } },
    serve: {
      database: database('bt_api', 'bt_api'),
      broker: broker('serve'),
      org,
      serve: {
        host: '0.0.0.0',
        port: 8080,
        certFile: '/etc/biotrakr/page/page.pem',
        keyFile: '/etc/biotrakr/page/page.key',
        tokenFile: '/run/secrets/serve-token',
        sitesFolder: '/etc/biotrakr/sites',
        releasesFolder: '/etc/biotrakr-releases',
      },
      keys: KEYS,
    },
    publish: {
      database: database('bt_api', 'bt_api'),
      org,
      sites: { publishedFolder: '/etc/biotrakr-sites', keyFile: '/run/secrets/site-key' },
      audit: AUDIT,
    },
    enroll: {
      database: database('bt_ca', 'bt_ca'),
      enroll: {
        host: '0.0.0.0',
        authorityFolder: '/etc/biotrakr-authority',
        certFile: '/etc/biotrakr/enroll.pem',
        keyFile: '/run/secrets/enroll-key',
        revocationListFile: '/etc/biotrakr/broker/gateways.crl',
        brokerPidFile: '/run/mosquitto/mosquitto.pid',
        brokerUrl: 'mqtts://broker:8883',
      },
    },
    ...upkeepConfigs(),
  }
}

function upkeepConfigs(): Readonly<Record<string, object>> {
  const backup = { folder: '/var/lib/biotrakr-backup', keyFile: '/run/secrets/backup-key' }
  return {
    maintain: {
      database: database('bt_jobs', 'bt_jobs'),
      audit: AUDIT,
    },
    backup: { database: database('bt_backup', 'bt_backup'), backup },
    // It makes databases, which the one that writes backups may not.
    'restore-drill': { database: database('postgres', 'postgres'), backup },
    // For a demonstration: fills an empty database.
    seed: { database: database('postgres', 'postgres'), keys: KEYS },
  }
}

/** Root's files go to the account of the image; anybody else's containers run as whoever that is. */
function ownTree(folder: string): string {
  const { uid, gid } = statSync(folder)
  if (uid !== 0) return `${uid}:${gid}`
  const give = (path: string): void => {
    chownSync(path, IMAGE_USER, IMAGE_USER)
    if (statSync(path).isDirectory()) for (const name of readdirSync(path)) give(join(path, name))
  }
  give(folder)
  return `${IMAGE_USER}:${IMAGE_USER}`
}

function refuseOdd(text: string, form: RegExp, what: string): void {
  if (form.test(text)) return
  throw new BioTrakrError(`"${text}" is no ${what}`, { code: 'USAGE', next: 'Correct it; nothing was written.' })
}

function refuseExisting(path: string): void {
  if (!existsSync(path)) return
  throw new BioTrakrError(`${path} is there already`, {
    code: 'USAGE',
    next: 'It may hold secrets that are in use. Name another place, or move it away yourself if it is not needed.',
  })
}
