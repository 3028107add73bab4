import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Archive of a minimal Debian with Node, as mmdebstrap makes it; `.ci/run` says how. */
const debianArchive = process.env['BIOTRAKR_TEST_DEBIAN_ROOT'] ?? ''
export const hasDebianRoot = debianArchive !== '' && existsSync(debianArchive) && process.getuid?.() === 0

/** Not of the package: what dpkg and this test write beside it. */
const NOT_OURS =
  /^(var\/lib\/dpkg|var\/log|var\/cache|tmp|proc|sys|dev)(\/|$)|^etc\/(passwd|group|shadow|gshadow|subuid|subgid)-?$/

/** A clean Debian in a folder. No service manager runs in it, so the caller starts what a unit would start. */
export interface DebianRoot {
  readonly path: string
  at(name: string): string
  /** Runs a program without any network. @returns what it wrote */
  exec(...words: readonly string[]): Promise<string>
  /** The same with the network of this machine. */
  execOnline(...words: readonly string[]): Promise<string>
  install(deb: string): Promise<string>
  write(name: string, text: string, owner: 'root' | 'biotrakr'): void
  giveTo(owner: 'biotrakr', name: string): void
  /** Starts a command line as a user, with the network of this machine. */
  start(user: string, words: readonly string[]): ChildProcess
  /** Names of all files, with a digest of the accounts. */
  inventory(): readonly string[]
  remove(): void
}

export function makeDebianRoot(): DebianRoot {
  const path = mkdtempSync(join(tmpdir(), 'biotrakr-debian-'))
  execFileSync('tar', ['--extract', '--file', debianArchive, '--directory', path])
  const at = (name: string) => join(path, name)
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LC_ALL: 'C.UTF-8' }
  const exec = (...words: readonly string[]) => told('unshare', ['--net', 'chroot', path, ...words])
  const told = async (program: string, words: readonly string[]) => {
    const { stdout, stderr } = await run(program, words, { env, maxBuffer: 1 << 24 })
    return stdout + stderr
  }
  return {
    path,
    at,
    exec,
    execOnline: (...words) => told('chroot', [path, ...words]),
    install(deb) {
      cpSync(deb, at(join('tmp', basename(deb))))
      return exec('dpkg', '--install', `/tmp/${basename(deb)}`)
    },
    write(name, text, owner) {
      writeFileSync(at(name), text, { mode: 0o600 })
      execFileSync('chroot', [path, 'chown', `${owner}:${owner}`, `/${name}`], { env })
    },
    giveTo: (owner, name) => {
      execFileSync('chroot', [path, 'chown', '--recursive', `${owner}:${owner}`, `/${name}`], { env })
    },
    start: (user, words) =>
      spawn('chroot', [`--userspec=${user}:${user}`, path, ...words], { env, stdio: ['ignore', 'ignore', 'inherit'] }),
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
