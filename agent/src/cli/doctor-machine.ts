import { X509Certificate } from 'node:crypto'
import { accessSync, constants, existsSync, readdirSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'

import { apiTokenFile } from '../api-token.ts'
import { certificateDates } from '../certificate-dates.ts'
import type { AgentConfig } from '../config.ts'
import { holderOf, listenerOf } from '../port-holder.ts'
import { openProfiles } from '../profile-store.ts'
import { openStoreOf } from '../store-access.ts'
import { type Check, type Finding, told } from './doctor-checks.ts'
import { storeStatus } from './outbox-status.ts'

/** Parts that are compiled for one kind of machine, and what does not work without each. */
const NATIVE = {
  'better-sqlite3': 'nothing can be stored',
  serialport: 'no reader on a wire can be heard',
  '@stoprocent/bluetooth-hci-socket': 'no Bluetooth adapter can be heard',
} as const

export const checkNative: Check = async () => {
  const found: Finding[] = []
  for (const [name, otherwise] of Object.entries(NATIVE)) {
    const check = `module ${name}`
    try {
      await load(name)
      found.push({ check, state: 'ok', meaning: `it loads on ${process.platform} ${process.arch}` })
    } catch (error) {
      const why = error instanceof Error ? error.message.split('\n')[0] : String(error)
      const mend = 'Install the package of this machine again: sudo apt-get install --reinstall biotrakr-agent'
      found.push({ check, state: 'fail', meaning: `it does not load, so ${otherwise}: ${why}`, mend })
    }
  }
  return found
}

/** SQLite's binary is loaded by the first database, and not with the module. */
async function load(name: string): Promise<void> {
  const module: { default?: unknown } = await import(name)
  if (name !== 'better-sqlite3' || typeof module.default !== 'function') return
  const Database = module.default as new (path: string) => { close(): void }
  new Database(':memory:').close()
}

/** No agent was built before this: a clock that says so is behind. */
const EARLIEST_MS = Date.UTC(2026, 0, 1)

export const checkClock: Check = ({ config, nowMs }) => {
  const check = 'clock'
  const now = new Date(nowMs).toISOString().slice(0, 16).replace('T', ' ')
  const mend = 'Run: timedatectl set-ntp true'
  if (nowMs < EARLIEST_MS) {
    const meaning = `it is ${now} by this machine, which cannot be: certificates will not be valid yet`
    return [{ check, state: 'fail', meaning, mend }]
  }
  const file = config?.clock.syncedFile ?? '/run/systemd/timesync/synchronized'
  if (existsSync(file)) return [{ check, state: 'ok', meaning: `${now} UTC, set by a time server` }]
  const meaning = `${now} UTC, and no time server has confirmed it since the start (${file} is not there); records carry the centre's time as soon as it is heard`
  return [{ check, state: 'warn', meaning, mend }]
}

export const checkStore: Check = ({ config, nowMs }) => {
  if (!config) return []
  const check = 'store'
  const { dataDir, outbox } = config
  const home = nearest(dataDir)
  try {
    accessSync(home, constants.W_OK)
  } catch {
    const mend = `Run: sudo chown -R <user of the agent> ${dataDir}`
    return [{ check, state: 'fail', meaning: `this user may not write to ${home}`, mend }]
  }
  const used = existsSync(join(dataDir, 'outbox.sqlite')) ? statSync(join(dataDir, 'outbox.sqlite')).size : 0
  const { bavail, bsize } = statfsSync(home)
  const [free, wanted] = [bavail * bsize, outbox.maxMegabytes * MEGABYTE - used]
  const words = `${megabytes(free)} free at ${home}, the store may still grow by ${megabytes(wanted)}`
  const room: Finding =
    free > wanted
      ? { check: 'disk', state: 'ok', meaning: words }
      : {
          check: 'disk',
          state: free < 32 * MEGABYTE ? 'fail' : 'warn',
          meaning: `${words}: the disk would be full first`,
          mend: 'Free some space, or lower outbox.maxMegabytes.',
        }
  return [room, ...secretsOf(config), ...storeOf(config, nowMs)]
}

const MEGABYTE = 1_048_576
const megabytes = (bytes: number): string => `${Math.max(0, Math.round(bytes / MEGABYTE))} MB`

function nearest(folder: string): string {
  return existsSync(folder) || folder === dirname(folder) ? folder : nearest(dirname(folder))
}

/** A secret that others can read is none. */
function secretsOf({ dataDir, outbox, broker, api, centre }: AgentConfig): Finding[] {
  const files = [
    outbox.keyFile,
    apiTokenFile(dataDir),
    broker.passwordFile,
    broker.keyFile,
    api.keyFile,
    centre?.tokenFile,
  ]
  return files.flatMap((file): Finding[] => {
    if (file === undefined || !existsSync(file) || (statSync(file).mode & 0o077) === 0) return []
    const meaning = 'other users of this machine can read it; the agent refuses to start'
    return [{ check: `secret ${file}`, state: 'fail', meaning, mend: `Run: chmod 600 ${file}` }]
  })
}

function storeOf(config: AgentConfig, nowMs: number): Finding[] {
  const check = 'store'
  if (!existsSync(join(config.dataDir, 'outbox.sqlite'))) {
    return [{ check, state: 'ok', meaning: 'there is none yet; the first start makes it' }]
  }
  try {
    const { reader, maxBytes } = openStoreOf(config)
    const { unconfirmed, oldestAgeHours, lost } = storeStatus(reader, { maxBytes, nowMs })
    const waiting = oldestAgeHours === undefined ? '' : `, the oldest for ${oldestAgeHours.toFixed(1)} h`
    const gone = lost.telemetry + lost.sameRoom + lost.roomChange + lost.other
    const meaning = `${unconfirmed} records wait for the centre${waiting}; ${gone} were ever let go for want of room`
    if (gone === 0) return [{ check, state: 'ok', meaning }]
    return [{ check, state: 'warn', meaning, mend: `See: biotrakr outbox status, and raise outbox.maxMegabytes` }]
  } catch (error) {
    return [{ check, state: 'fail', ...told(error) }]
  }
}

/** Profiles of readers, and their lines with whoever holds them. */
export const checkReaders: Check = async ({ config, isAgentRunning }) => {
  const found: Finding[] = []
  for (const source of config?.sources ?? []) {
    if (source.kind !== 'reader') continue
    found.push(profileOf(source.name, source.profile))
    const path = /^serial:(\/.*)$/.exec(source.address)?.[1]
    if (path !== undefined) found.push(await lineOf(source.name, path, isAgentRunning))
  }
  return found
}

function profileOf(name: string, profile: string): Finding {
  const check = `profile of ${name}`
  try {
    const store = openProfiles(profile)
    if (!store.isBuiltIn(store.id)) store.load(store.id)
    return { check, state: 'ok', meaning: store.id }
  } catch (error) {
    return { check, state: 'fail', ...told(error) }
  }
}

async function lineOf(name: string, path: string, isAgentRunning: boolean): Promise<Finding> {
  const check = `line of ${name}`
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
  } catch (error) {
    const isDenied = (error as NodeJS.ErrnoException).code === 'EACCES'
    const meaning = isDenied ? `this user may not use ${path}` : `${path} is not there; there are: ${linesHere()}`
    const mend = isDenied ? 'Run: sudo usermod -aG dialout <user of the agent>' : 'Plug it in, or correct its address.'
    return { check, state: 'fail', meaning, mend }
  }
  const holder = await holderOf(path)
  if (holder === undefined || isAgentRunning)
    return { check, state: 'ok', meaning: holder ? `held by ${holder}` : 'free' }
  return { check, state: 'fail', meaning: `${holder} holds ${path}`, mend: 'End that program; then start the agent.' }
}

function linesHere(): string {
  try {
    return (
      readdirSync('/dev/serial/by-id')
        .map((name) => `/dev/serial/by-id/${name}`)
        .join(', ') || 'none'
    )
  } catch {
    return 'none'
  }
}

/** The port of the agent's own API. */
export const checkApiPort: Check = async ({ config, isAgentRunning }) => {
  if (!config || config.api.port === 0) return []
  const { host, port } = config.api
  const check = `port ${port}`
  if (isAgentRunning) return [{ check, state: 'ok', meaning: 'the agent runs and answers there' }]
  if (await isFree(host, port)) return [{ check, state: 'ok', meaning: 'free for the status page of the agent' }]
  const holder = (await listenerOf(port)) ?? 'another program'
  const mend = 'End that program, or set api.port to another port.'
  return [{ check, state: 'fail', meaning: `${holder} listens there: the agent cannot start`, mend }]
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, host.replace(/^\[|\]$/g, ''), () => server.close(() => resolve(true)))
  })
}

/** A certificate of the own API that will not be served. */
export const checkApiCertificate: Check = ({ config, nowMs }) => {
  const file = config?.api.certFile
  if (file === undefined) return []
  const check = 'certificate of the status page'
  try {
    const { validFrom: from, validTo: to } = new X509Certificate(readFileSync(file))
    const { isOver, isEarly, isSoonOver, words } = certificateDates(new Date(from), new Date(to), nowMs)
    const mend = 'Put a new certificate into api.certFile, with its key, and start the agent again.'
    if (isOver || isEarly) return [{ check, state: 'fail', meaning: words, mend }]
    return [isSoonOver ? { check, state: 'warn', meaning: words, mend } : { check, state: 'ok', meaning: words }]
  } catch (error) {
    const meaning = error instanceof Error ? error.message : String(error)
    return [{ check, state: 'fail', meaning, mend: 'Set api.certFile to a PEM file.' }]
  }
}
