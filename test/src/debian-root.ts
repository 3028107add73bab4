import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

import type { Network } from './namespaces.ts'

const run = promisify(execFile)

/** Archive of a minimal Debian with Node, systemd and sudo, as mmdebstrap makes it; `.ci/run` says how. */
const debianArchive = process.env['BIOTRAKR_TEST_DEBIAN_ROOT'] ?? ''
export const hasDebianRoot = debianArchive !== '' && existsSync(debianArchive) && process.getuid?.() === 0

/** Not of the package: what dpkg, systemd and this test write beside it. */
const NOT_OURS =
  /^(var\/lib\/(dpkg|systemd|apt)|var\/log|var\/cache|run\/mount|tmp|root|proc|sys|dev|etc\/credstore)(\/|\.encrypted$|$)|^etc\/(passwd|group|shadow|gshadow|subuid|subgid)-?$/

/** A clean Debian in a folder. No service manager runs in it, so the caller starts what a unit would start. */
export interface DebianRoot {
  readonly path: string
  at(name: string): string
  /** Runs a line as root in its home folder, as if typed there. @returns what it wrote @throws with what it wrote */
  type(line: string): Promise<string>
  exec(...words: readonly string[]): Promise<string>
  /** Puts a file or folder into the home folder of root. */
  bring(path: string): void
  giveTo(owner: 'biotrakr', name: string): void
  /** Starts a command line as a user. */
  start(user: string, words: readonly string[]): ChildProcess
  /** Names of all files, with a digest of the accounts. */
  inventory(): readonly string[]
  remove(): void
}

/** What an editor would do that somebody else has typed into. */
const EDITOR = '#!/bin/sh\ncat /tmp/typed > "$1"\n'

/** @param network all that it can reach */
export function makeDebianRoot(network: Network): DebianRoot {
  const path = mkdtempSync(join(tmpdir(), 'biotrakr-debian-'))
  execFileSync('tar', ['--extract', '--file', debianArchive, '--directory', path])
  const at = (name: string) => join(path, name)
  writeFileSync(at('tmp/editor'), EDITOR, { mode: 0o755 })
  // As the first boot of a box makes it.
  writeFileSync(at('etc/machine-id'), `${randomBytes(16).toString('hex')}\n`)
  writeFileSync(at('etc/hosts'), `127.0.0.1 localhost centre.hospital.example ${hostname()}\n`)
  const env = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LC_ALL: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
    SUDO_EDITOR: '/tmp/editor',
  }
  const mounted = `mount --make-rprivate / && mount --rbind /proc ${path}/proc && mount --rbind /dev ${path}/dev && exec "$@"`
  const inside = (words: readonly string[]) =>
    network.within(['unshare', '--mount', 'sh', '-c', mounted, 'sh', 'chroot', ...words])
  const exec = async (...words: readonly string[]) => {
    const [program = '', ...rest] = inside([path, ...words])
    const { stdout, stderr } = await run(program, rest, { env, maxBuffer: 1 << 24 })
    return stdout + stderr
  }
  return {
    path,
    at,
    exec,
    type: (line) =>
      exec('sh', '-c', `cd /root && ${line}`).catch((error: Error & { stdout?: string; stderr?: string }) => {
        throw new Error(`${line}\n${error.stdout ?? ''}${error.stderr ?? ''}`, { cause: error })
      }),
    bring: (from) => cpSync(from, at(join('root', basename(from))), { recursive: true }),
    giveTo: (owner, name) => {
      execFileSync('chroot', [path, 'chown', '--recursive', `${owner}:${owner}`, `/${name}`], { env })
    },
    start: (user, words) => {
      const [program = '', ...rest] = inside([`--userspec=${user}:${user}`, path, ...words])
      const log = openSync(at('tmp/agent.log'), 'a')
      return spawn(program, rest, { env, stdio: ['ignore', log, log] })
    },
    inventory() {
      const names = execFileSync('find', ['.', '-xdev', '-printf', '%P\n'], { cwd: path, encoding: 'utf8' }).split('\n')
      const accounts = ['etc/passwd', 'etc/group'].map((name) => digestOf(at(name)))
      return [...names.filter((name) => name !== '' && !NOT_OURS.test(name)).sort(), ...accounts]
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  }
}

/** Of a file or, for a store that is open, of what identifies it. */
export function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

export function inodeOf(file: string): number {
  return statSync(file).ino
}
