import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'
import { type Command, InvalidArgumentError, Option } from 'commander'

import {
  brokerAccessList,
  brokerConfig,
  initAuthority,
  pairsAt,
  readAuthority,
  renewPair,
  replaceFile,
} from '../administration.ts'

const LIST_MS = 7 * 86_400_000
/** Of servers and processes of the centre, in days. */
const CENTRE_DAYS = 397
const BACKDATE_MS = 3_600_000

const RENEW_NOTES = `
A path is that of a pair, with or without its ending, or of a folder of pairs. Pairs of another authority stay as they
are. \`serve\` and \`enroll\` show their new pairs by themselves; broker and ingesters take theirs after a restart.`

/** `biotrakr-cloud ca ...` and `biotrakr-cloud broker-config`: what a centre needs once, before it starts. */
export function addCaCommands(cloud: Command): void {
  const group = cloud
    .command('ca')
    .description('certificate authorities of the centre; none of this needs the database')
  const withFolder = (command: Command) =>
    command.requiredOption('--folder <folder>', 'folder of the authorities; for `enroll` alone to read')
  withFolder(group.command('init').description('make both authorities and an empty revocation list')).action(initCa)
  withFolder(group.command('server <names...>').description('a pair for a server, by its names and addresses'))
    .requiredOption('--out <path>', 'writes <path>.pem and <path>.key')
    .option('--days <n>', 'how long it is valid, 1 to 825', days, CENTRE_DAYS)
    .action((names: string[], options: PairOptions) => writePair({ server: names }, options))
  withFolder(group.command('process').description('a pair for a process of the centre, for its broker connection'))
    .addOption(new Option('--name <name>', 'which process').choices(['ingester', 'serve']).makeOptionMandatory())
    .requiredOption('--out <path>', 'writes <path>.pem and <path>.key')
    .option('--days <n>', 'how long it is valid, 1 to 825', days, CENTRE_DAYS)
    .action((options: PairOptions & { readonly name: string }) => writePair({ process: options.name }, options))
  withFolder(group.command('renew <paths...>').description('pairs anew under the names that they have, in their place'))
    .option('--days <n>', 'how long they are valid, 1 to 825', days, CENTRE_DAYS)
    .addHelpText('after', RENEW_NOTES)
    .action(renewPairs)
  cloud
    .command('broker-config')
    .description('write mosquitto.conf and its access list')
    .requiredOption('--out <folder>', 'writes mosquitto.conf and acl there')
    .option('--folder <folder>', 'where the broker finds its files; by default where they are written')
    .option('--max-gateways <n>', 'most connections of gateways', wholeNumber, 2_000)
    .option('--centre-bind <address>', "address of the listener for the centre's own processes")
    .action(writeBrokerConfig)
}

async function initCa({ folder }: { readonly folder: string }): Promise<void> {
  const nowMs = Date.now()
  const authority = await initAuthority(folder, nowMs)
  const list = await authority.revocationList([], { fromMs: nowMs - BACKDATE_MS, untilMs: nowMs + LIST_MS })
  replaceFile(join(folder, 'gateways.crl'), list, 0o644)
  process.stdout.write(`both authorities are in ${resolve(folder)}; keep a copy of it in a safe\n`)
}

interface PairOptions {
  readonly folder: string
  readonly out: string
  readonly days: number
}

async function writePair(
  subject: { readonly server: readonly string[] } | { readonly process: string },
  { folder, out, days: valid }: PairOptions,
): Promise<void> {
  if ('server' in subject) subject.server.forEach(refuseOddName)
  const authority = await readAuthority(folder)
  const nowMs = Date.now()
  const span = { fromMs: nowMs - BACKDATE_MS, untilMs: nowMs + valid * 86_400_000 }
  const { certificate, key } = await authority.centre(subject, span)
  replaceFile(`${out}.key`, key, 0o400)
  replaceFile(`${out}.pem`, certificate, 0o644)
  process.stdout.write(`${out}.pem is valid until ${new Date(span.untilMs).toISOString()}\n`)
}

interface RenewOptions {
  readonly folder: string
  readonly days: number
}

async function renewPairs(paths: readonly string[], { folder, days: valid }: RenewOptions): Promise<void> {
  const authority = await readAuthority(folder)
  const nowMs = Date.now()
  const span = { fromMs: nowMs - BACKDATE_MS, untilMs: nowMs + valid * 86_400_000 }
  for (const path of paths.flatMap(pairsAt)) {
    const isOurs = await renewPair(path, authority, span)
    const said = isOurs ? `valid until ${new Date(span.untilMs).toISOString()}` : 'of another authority, left as it is'
    process.stdout.write(`${path}.pem: ${said}\n`)
  }
}

function refuseOddName(name: string): void {
  if (/^(?=.{1,253}$)[a-z0-9]([a-z0-9.:-]*[a-z0-9])?$/i.test(name)) return
  throw new BioTrakrError(`"${name}" is no host name and no address`, {
    code: 'USAGE',
    next: 'Give the names under which others reach this server, such as broker.hospital.example or 10.0.0.5.',
  })
}

interface BrokerConfigOptions {
  readonly out: string
  readonly folder?: string
  readonly maxGateways: number
  readonly centreBind?: string
}

function writeBrokerConfig({ out, folder, maxGateways, centreBind }: BrokerConfigOptions): void {
  mkdirSync(out, { recursive: true })
  const at = (name: string) => join(folder ?? resolve(out), name)
  const config = brokerConfig({
    gateways: { port: 8883 },
    centre: { port: 8884, ...(centreBind !== undefined && { bind: centreBind }) },
    certFile: at('broker.pem'),
    keyFile: at('broker.key'),
    gatewayCaFile: at('gateway-ca.pem'),
    centreCaFile: at('centre-ca.pem'),
    revocationListFile: at('gateways.crl'),
    aclFile: at('acl'),
    pidFile: '/run/mosquitto/mosquitto.pid',
    maxGateways,
  })
  replaceFile(join(out, 'mosquitto.conf'), config, 0o644)
  replaceFile(join(out, 'acl'), brokerAccessList(), 0o644)
}

function wholeNumber(text: string): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (value < 1) throw new InvalidArgumentError('must be a whole number from 1 on')
  return value
}

function days(text: string): number {
  const value = wholeNumber(text)
  if (value > 825) throw new InvalidArgumentError('must be 1 to 825')
  return value
}
