import { execFile } from 'node:child_process'
import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { chownSync, existsSync, renameSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

import { BioTrakrError } from '@biotrakr/shared'

import type { BrokerUser } from './access.ts'
import type { Account } from './account.ts'
import { type BrokerFile, hashPassword } from './broker-file.ts'
import type { ChildSpec } from './child.ts'
import { type DataFolder, makeServerFolder } from './data-folder.ts'
import { choosePort } from './ports.ts'
import { endWithParent } from './processes.ts'
import { nodeProgram, productRoot } from './programs.ts'

export type BrokerChoice = 'auto' | 'mosquitto' | 'aedes'

export interface Broker {
  readonly kind: 'mosquitto' | 'aedes'
  readonly version: string
  readonly url: string
  /** Its configuration file. */
  readonly config: string
  readonly child: ChildSpec
}

/** Largest batch a gateway sends, plus room for topic and properties of the packet around it. */
const MAX_PACKET_BYTES = 262_144 + 1_024

/**
 * Prepares the broker: mosquitto 2 where there is one, else aedes in a process of its own. Either listens on 127.0.0.1
 * only, knows the same users and refuses what they may not do.
 * @throws BioTrakrError CHILD_FAILED when the chosen broker is not there
 */
export async function prepareBroker(
  folder: DataFolder,
  account: Account | undefined,
  { choice, users }: { readonly choice: BrokerChoice; readonly users: readonly BrokerUser[] },
): Promise<Broker> {
  const found = choice === 'aedes' ? undefined : await findMosquitto()
  if (choice === 'mosquitto' && !found) {
    throw new BioTrakrError('mosquitto 2 was not found on this machine', {
      code: 'CHILD_FAILED',
      next: 'Install it, or start with --broker aedes.',
    })
  }
  const { port } = await choosePort(folder.memory.get('brokerPort'))
  folder.memory.set('brokerPort', port)
  const common = {
    name: 'broker',
    cwd: productRoot,
    logFile: folder.at('log', 'broker.log'),
    pidFile: folder.at('run', 'broker.pid'),
    ready: () => accepts(port),
    readyWithinMs: 20_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 5_000,
  } as const
  const url = `mqtt://127.0.0.1:${port}`
  if (found) {
    const home = makeServerFolder(join(folder.serverPath, 'broker'), account)
    const config = writeMosquitto(home, account, { port, users })
    const [command, args] = endWithParent(found.program, ['-c', config], 'SIGTERM')
    const child = { ...common, command, args, cwd: '/', ...(account && { account }) }
    return { kind: 'mosquitto', version: found.version, url, config, child }
  }
  const config = folder.write('config/broker.json', `${JSON.stringify(brokerFile(port, users), undefined, 2)}\n`)
  const { args, env } = nodeProgram('broker', [config])
  return { kind: 'aedes', version: '2', url, config, child: { ...common, command: process.execPath, args, env } }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

const run = promisify(execFile)

interface Mosquitto {
  readonly program: string
  readonly version: string
}

/** Version 2 brought the password hashes and the reason codes that the agent relies on. */
async function findMosquitto(): Promise<Mosquitto | undefined> {
  const places = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin']
  for (const place of new Set(places.filter((path) => path !== ''))) {
    const program = join(place, 'mosquitto')
    if (!existsSync(program)) continue
    const version = await askVersion(program)
    if (version !== undefined && Number.parseInt(version, 10) >= 2) return { program, version }
  }
  return undefined
}

async function askVersion(program: string): Promise<string | undefined> {
  // `-h` prints the version and ends with a code that differs between releases.
  const said = await run(program, ['-h'], { timeout: 10_000 }).catch((error: unknown) => error as { stdout?: string })
  return /mosquitto version (\d+\.[\w.]+)/.exec(said.stdout ?? '')?.[1]
}

interface Listener {
  readonly port: number
  readonly users: readonly BrokerUser[]
}

function brokerFile(port: number, users: readonly BrokerUser[]): BrokerFile {
  return {
    port,
    maxPacketBytes: MAX_PACKET_BYTES,
    users: users.map(({ name, password, read, write }) => ({ name, ...hashPassword(password.text), read, write })),
  }
}

/** @returns the path of the configuration; all three files belong to the broker's account, mode 0600 */
function writeMosquitto(home: string, account: Account | undefined, { port, users }: Listener): string {
  const write = (name: string, text: string) => {
    const file = join(home, name)
    writeFileSync(`${file}.new`, text, { mode: 0o600 })
    if (account) chownSync(`${file}.new`, account.uid, account.gid)
    renameSync(`${file}.new`, file)
    return file
  }
  const passwords = write(
    'passwords',
    users.map((user) => `${user.name}:${mosquittoHash(user.password.text)}\n`).join(''),
  )
  const access = write('access', users.map(accessLines).join('\n'))
  return write('mosquitto.conf', mosquittoConfig(port, passwords, access))
}

/**
 * Figures as in the design's section on the broker. Nothing is kept on disk: a batch only leaves the gateway's store
 * once the database has it, so a broker that forgets loses nothing.
 */
function mosquittoConfig(port: number, passwords: string, access: string): string {
  return `listener ${port} 127.0.0.1
allow_anonymous false
password_file ${passwords}
acl_file ${access}
persistence false
set_tcp_nodelay true
max_packet_size ${MAX_PACKET_BYTES}
max_inflight_messages 20
max_queued_messages 1000
max_connections 200
persistent_client_expiration 1h
connection_messages false
log_dest stderr
log_timestamp_format %Y-%m-%dT%H:%M:%S
log_type error
log_type warning
log_type notice
`
}

/** One block per user and no `pattern` line: those would apply to every user, the ingester included. */
function accessLines({ name, read, write }: BrokerUser): string {
  const lines = [...read.map((topic) => `topic read ${topic}`), ...write.map((topic) => `topic write ${topic}`)]
  return `user ${name}\n${lines.join('\n')}\n`
}

/**
 * mosquitto's own form, PBKDF2 with SHA-512 (mosquitto_passwd(1), `sha512-pbkdf2`). The passwords are 256 random bits,
 * so the number of rounds adds nothing to their strength.
 */
function mosquittoHash(password: string): string {
  const salt = randomBytes(12)
  const rounds = 101
  const hash = pbkdf2Sync(password, salt, rounds, 64, 'sha512')
  return `$7$${rounds}$${salt.toString('base64')}$${hash.toString('base64')}`
}
