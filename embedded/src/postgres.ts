import { execFile } from 'node:child_process'
import { chownSync, existsSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { BioTrakrError } from '@biotrakr/shared'
import pg from 'pg'

import type { Account } from './account.ts'
import type { ChildSpec } from './child.ts'
import { type DataFolder, makeServerFolder } from './data-folder.ts'
import { choosePort } from './ports.ts'
import { findPostgres, type PostgresBinaries, type PostgresChoice } from './postgres-binaries.ts'
import { emptyFolder, endOrphan, endWithParent, isAlive } from './processes.ts'

export interface Postgres {
  readonly binaries: PostgresBinaries
  readonly port: number
  /** The cluster's folder. */
  readonly data: string
  /** How to reach it as its superuser. */
  readonly superuser: Login
  readonly child: ChildSpec
}

export interface Login {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

const SUPERUSER = 'postgres'
/** sun_path of unix(7) holds 108 bytes, and PostgreSQL adds `/.s.PGSQL.<port>`. */
const MAX_SOCKET_FOLDER = 88

/**
 * Prepares a PostgreSQL of the data folder's own: finds its programs, makes the cluster on first use, picks a port.
 * Reachable over 127.0.0.1 and a socket in its folder only; nothing about durability is switched off.
 */
export async function preparePostgres(
  folder: DataFolder,
  account: Account | undefined,
  { choice, cwd }: { readonly choice: PostgresChoice; readonly cwd: string },
): Promise<Postgres> {
  const home = makeServerFolder(join(folder.serverPath, 'postgres'), account)
  const data = join(home, 'data')
  const binaries = await findPostgres({
    choice,
    major: clusterMajor(data),
    account,
    copyTo: join(folder.serverPath, 'postgres-programs'),
  })
  const password = folder.password('postgres')
  if (!existsSync(data)) await makeCluster(home, password.text, { binaries, account })
  const wish = folder.memory.get('postgresPort')
  const pidFile = join(data, 'postmaster.pid')
  // Its own leftover holds the port until it has ended.
  await endPostmaster(pidFile, data)
  const { port } = await choosePort(wish)
  folder.memory.set('postgresPort', port)
  const superuser = { host: '127.0.0.1', port, user: SUPERUSER, password: password.text, database: 'postgres' }
  const [command, args] = endWithParent(
    join(binaries.bin, 'postgres'),
    serverArgs(data, home, { port, binaries }),
    'SIGINT',
  )
  return {
    binaries,
    port,
    data,
    superuser,
    child: {
      name: 'postgresql',
      command,
      args,
      cwd: account ? '/' : cwd,
      ...(account && { account }),
      logFile: folder.at('log', 'postgresql.log'),
      pidFile: folder.at('run', 'postgresql.pid'),
      prepare: () => endPostmaster(pidFile, data),
      ready: () => answers(superuser),
      readyWithinMs: 60_000,
      // SIGINT is the fast shutdown: open transactions are rolled back and a checkpoint is written.
      stopSignal: 'SIGINT',
      stopWithinMs: 20_000,
    },
  }
}

/** True when somebody can log in and ask something. */
async function answers(config: Login): Promise<boolean> {
  const client = new pg.Client({ ...config, connectionTimeoutMillis: 2_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } finally {
    await client.end().catch(() => undefined)
  }
}

function clusterMajor(data: string): number | undefined {
  const file = join(data, 'PG_VERSION')
  return existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : undefined
}

const run = promisify(execFile)

interface ClusterOptions {
  readonly binaries: PostgresBinaries
  readonly account: Account | undefined
}

/** Made under another name first: a start that is cut short leaves no half-made cluster behind. */
async function makeCluster(home: string, password: string, { binaries, account }: ClusterOptions): Promise<void> {
  const partial = join(home, 'data.new')
  const passwordFile = join(home, 'password')
  rmSync(partial, { recursive: true, force: true })
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
  if (account) chownSync(passwordFile, account.uid, account.gid)
  const args = ['-D', partial, '-U', SUPERUSER, '-E', 'UTF8', '--locale=C', '--auth=scram-sha-256']
  try {
    await run(join(binaries.bin, 'initdb'), [...args, `--pwfile=${passwordFile}`], {
      cwd: '/',
      timeout: 120_000,
      env: { ...process.env, LC_ALL: 'C', HOME: home },
      ...(account && { uid: account.uid, gid: account.gid }),
    })
    renameSync(partial, join(home, 'data'))
  } catch (cause) {
    throw new BioTrakrError(`initdb in ${binaries.bin} could not make a database in ${partial}`, {
      code: 'CHILD_FAILED',
      next: 'Check free space and who owns the folder.',
      cause,
    })
  } finally {
    rmSync(passwordFile, { force: true })
  }
}

/**
 * A postmaster that outlived its launcher is ended by its own pid file. Otherwise the file stays: PostgreSQL finds out
 * through it whether sessions of a killed postmaster still run. Only when its process id has gone to somebody else (a
 * container starts counting anew) is it removed, since PostgreSQL would refuse to start over a live process.
 */
async function endPostmaster(pidFile: string, data: string): Promise<void> {
  if (!existsSync(pidFile)) return
  await endPidOf(pidFile, data)
  // Servers of a killed postmaster live on until they notice, on a busy machine for seconds; a new one refuses to
  // start beside them ("pre-existing shared memory block is still in use"). Their working folder is the cluster's.
  await emptyFolder(realpathSync(data))
}

async function endPidOf(pidFile: string, data: string): Promise<void> {
  const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10)
  if (!Number.isInteger(pid) || pid < 1) return
  const ended = await endOrphan(pid, data, { polite: 'SIGINT', withinMs: 20_000 })
  if (!ended && isAlive(pid)) rmSync(pidFile, { force: true })
}

interface ServerOptions {
  readonly port: number
  readonly binaries: PostgresBinaries
}

function serverArgs(data: string, home: string, { port, binaries }: ServerOptions): string[] {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: Buffer.byteLength(home) <= MAX_SOCKET_FOLDER ? home : '',
    unix_socket_permissions: '0700',
    max_connections: '50',
    shared_buffers: '128MB',
    // Small containers give /dev/shm 64 MB, which parallel workers would ask for.
    max_parallel_workers_per_gather: '0',
    max_wal_size: '1GB',
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(hasTimescale(binaries.bin) && {
      shared_preload_libraries: 'timescaledb',
      'timescaledb.telemetry_level': 'off',
    }),
  }
  return ['-D', data, ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])]
}

/** TimescaleDB only works when it is loaded at start, so it is looked for beside the programs that were found. */
export function hasTimescale(bin: string): boolean {
  const version = /postgresql\/(\d+)\/bin$/.exec(bin)?.[1]
  const shares = [join(bin, '../share'), join(bin, '../share/postgresql')]
  if (version !== undefined) shares.push(join(bin, '../../../../share/postgresql', version))
  return shares.some((share) => existsSync(join(share, 'extension', 'timescaledb.control')))
}
