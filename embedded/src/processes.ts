import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** @returns the command line of a process, words joined by spaces; undefined when there is no such process */
export function commandLine(pid: number): string | undefined {
  if (!isAlive(pid)) return undefined
  if (existsSync('/proc/self/cmdline')) {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() || undefined
    } catch {
      return undefined
    }
  }
  const ps = spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
  return ps.status === 0 ? ps.stdout.trim() || undefined : undefined
}

/** True also for a process of another user. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Sends a signal; a process that has ended meanwhile is no error. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/**
 * Ends a process that a killed launcher left behind, but only when its command line names `mark`: a process id may
 * have gone to somebody else meanwhile.
 * @param mark a path that only processes of this data folder have on their command line
 * @returns whether there was one
 */
export async function endOrphan(pid: number, mark: string, { polite, withinMs }: EndOptions): Promise<boolean> {
  const ours = () => commandLine(pid)?.includes(mark) === true
  if (!ours()) return false
  for (const [name, waitMs] of [[polite, withinMs] as const, ['SIGKILL', 5_000] as const]) {
    signal(pid, name)
    for (let waited = 0; waited < waitMs && ours(); waited += 50) await sleep(50)
    if (!ours()) break
  }
  return true
}

interface EndOptions {
  readonly polite: NodeJS.Signals
  readonly withinMs: number
}

/** Processes whose working folder is `folder`; none where the system does not tell (Linux only). */
export function processesIn(folder: string): number[] {
  if (!existsSync('/proc/self/cwd')) return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => workingFolder(pid) === folder)
    .map(Number)
}

function workingFolder(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined
  }
}

/** Waits until no process has `folder` as its working folder, and helps with ever firmer signals. */
export async function emptyFolder(folder: string): Promise<void> {
  for (const [name, waitMs] of [
    [undefined, 2_000] as const,
    ['SIGQUIT', 5_000] as const,
    ['SIGKILL', 5_000] as const,
  ]) {
    for (const pid of processesIn(folder)) if (name) signal(pid, name)
    for (let waited = 0; waited < waitMs; waited += 50) {
      if (processesIn(folder).length === 0) return
      await sleep(50)
    }
  }
}

const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path))

/**
 * Wraps a server that cannot watch its parent, so that the kernel ends it when the launcher is killed (prctl(2)
 * PR_SET_PDEATHSIG, through setpriv of util-linux, which execs and keeps the process id). Where there is no setpriv the
 * next start ends the server by its pid file.
 */
export function endWithParent(command: string, args: readonly string[], name: NodeJS.Signals): [string, string[]] {
  if (process.platform !== 'linux' || !SETPRIV) return [command, [...args]]
  return [SETPRIV, ['--pdeathsig', name.replace('SIG', ''), '--', command, ...args]]
}
