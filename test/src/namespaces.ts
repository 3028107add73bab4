import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const MANY = 1 << 26

export interface Mount {
  readonly from: string
  /** Path inside. */
  readonly to: string
  readonly readOnly: boolean
}

/** What a container is, as far as namespaces of Linux give it. */
export interface ContainerSpec {
  /** Folder of its root file system, to which nothing but mount points is added. */
  readonly root: string
  readonly mounts: readonly Mount[]
  readonly user: string
  readonly words: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Nothing but mounts and /tmp can be written. */
  readonly readOnly?: boolean
  /** Most open files. */
  readonly files?: number | undefined
}

/** A network of its own: a process sleeps in it as long as it is needed. */
export interface Network {
  /** Words that run others inside. */
  within(words: readonly string[]): readonly string[]
  exec(...words: readonly string[]): Promise<string>
  /** Makes a second network, joined to this by a bridge. @param host last number of its address, 2 to 254 */
  join(host: number): Promise<Network>
  end(): void
}

const BRIDGE = '10.44.0'
export const addressOf = (host: number) => `${BRIDGE}.${host}`

/** Needs root. */
export async function makeNetwork(): Promise<Network> {
  const network = await emptyNetwork()
  await network.exec('ip', 'link', 'set', 'lo', 'up')
  await network.exec('ip', 'link', 'add', 'br0', 'type', 'bridge')
  await network.exec('ip', 'address', 'add', `${addressOf(1)}/24`, 'dev', 'br0')
  await network.exec('ip', 'link', 'set', 'br0', 'up')
  return network
}

async function emptyNetwork(): Promise<Network & { readonly pid: number }> {
  const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' })
  const pid = holder.pid ?? 0
  const own = readlinkSync('/proc/self/ns/net')
  while (readlinkSync(`/proc/${pid}/ns/net`) === own) await sleep(5)
  const within = (words: readonly string[]) => ['nsenter', `--net=/proc/${pid}/ns/net`, ...words]
  const exec = (...words: readonly string[]) => told(within(words))
  const joined: Network[] = []
  return {
    pid,
    within,
    exec,
    async join(host) {
      const other = await emptyNetwork()
      joined.push(other)
      await exec('ip', 'link', 'add', `v${host}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(other.pid))
      await exec('ip', 'link', 'set', `v${host}`, 'master', 'br0', 'up')
      await other.exec('ip', 'link', 'set', 'lo', 'up')
      await other.exec('ip', 'address', 'add', `${addressOf(host)}/24`, 'dev', 'eth0')
      await other.exec('ip', 'link', 'set', 'eth0', 'up')
      return other
    },
    end: () => {
      for (const each of joined) each.end()
      holder.kill('SIGKILL')
    },
  }
}

async function told([program = '', ...words]: readonly string[]): Promise<string> {
  const { stdout } = await run(program, words, { maxBuffer: MANY })
  return stdout
}

/** Starts a container in a network. Its output goes to a file; standard output to a pipe when asked for. */
export function startContainer(spec: ContainerSpec, { network, log, pipe = false }: StartOptions): ChildProcess {
  const [program = '', ...words] = network.within(['unshare', '--mount', 'sh', '-c', scriptOf(spec)])
  const file = openSync(log, 'a')
  return spawn(program, words, { stdio: ['ignore', pipe ? 'pipe' : file, file] })
}

interface StartOptions {
  readonly network: Network
  readonly log: string
  readonly pipe?: boolean
}

/** Ends by itself. @returns its exit code and what it wrote to standard output */
export async function runContainer(spec: ContainerSpec, options: StartOptions) {
  const child = startContainer(spec, { ...options, pipe: true })
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (part: string) => (text += part))
  await once(child, 'close')
  return { code: child.exitCode ?? 1, text }
}

/** Runs a program among the files and in the network of a running container. */
export function execInside({ pid }: ChildProcess, words: readonly string[]): Promise<string> {
  const path = 'PATH=/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  return told(['nsenter', '--target', String(pid), '--mount', '--net', '--root', '--wd', 'env', path, ...words])
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

/** Mounts, limits and rights as the composition asks for them; no right is left that root might have. */
function scriptOf({ root, mounts, user, words, env = {}, readOnly = false, files }: ContainerSpec): string {
  // A link of the root file system would lead out of it.
  const target = (path: string) => quoted(join(root, path.replace(/^\/var\/run\//, '/run/')))
  const mount = ({ from, to, readOnly: fixed }: Mount) => [
    `if [ -d ${quoted(from)} ]; then mkdir -p ${target(to)}`,
    `else mkdir -p "$(dirname ${target(to)})"; [ -e ${target(to)} ] || : > ${target(to)}; fi`,
    `mount --bind ${quoted(from)} ${target(to)}`,
    ...(fixed ? [`mount -o remount,bind,ro ${target(to)}`] : []),
  ]
  const [uid, gid = uid] = user.split(':')
  const rights = `--reuid=${uid} --regid=${gid} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all`
  const settings = Object.entries({ PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...env })
  return [
    'set -e',
    'mount --make-rprivate /',
    `mount --bind ${quoted(root)} ${quoted(root)}`,
    `mount --rbind /proc ${target('proc')}`,
    `mount --rbind /dev ${target('dev')}`,
    `mount -t tmpfs -o mode=1777 tmpfs ${target('tmp')}`,
    ...mounts.flatMap(mount),
    ...(readOnly ? [`mount -o remount,bind,ro ${quoted(root)}`] : []),
    'ulimit -c 0',
    ...(files === undefined ? [] : [`ulimit -n ${files}`]),
    `exec chroot ${quoted(root)} setpriv ${rights} env -i ${settings.map((pair) => quoted(pair.join('='))).join(' ')} \\`,
    `  ${words.map(quoted).join(' ')}`,
  ].join('\n')
}

/** Number of a user in a root file system. */
export function userOf(root: string, name: string): string {
  const id = (letter: string) => execFileSync('chroot', [root, 'id', letter, name], { encoding: 'utf8' }).trim()
  return `${id('-u')}:${id('-g')}`
}
