import { readdir, readFile, readlink } from 'node:fs/promises'

export { holderOf } from './acquire/serial-holder.ts'

/** State of a listening socket (Linux, include/net/tcp_states.h). */
const LISTENING = '0A'

/**
 * Who listens at a TCP port, from Linux's /proc: `mosquitto (process 4711)`; sees only the processes that this user may
 * look into.
 * @returns undefined when nobody is found; never rejects
 */
export async function listenerOf(port: number): Promise<string | undefined> {
  try {
    const tables = await Promise.all(
      ['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')),
    )
    const wanted = port.toString(16).toUpperCase().padStart(4, '0')
    const rows = tables
      .join('\n')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
    const inodes = rows.filter(([, local, , state]) => local?.endsWith(`:${wanted}`) && state === LISTENING)
    const sockets = new Set(inodes.map((fields) => `socket:[${fields[9]}]`))
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      if (await holdsOne(pid, sockets)) {
        return `${(await readFile(`/proc/${pid}/comm`, 'utf8')).trim()} (process ${pid})`
      }
    }
  } catch {
    // A process may end while it is looked at, and other systems have no /proc.
  }
  return undefined
}

async function holdsOne(pid: string, sockets: ReadonlySet<string>): Promise<boolean> {
  try {
    for (const handle of await readdir(`/proc/${pid}/fd`)) {
      if (sockets.has(await readlink(`/proc/${pid}/fd/${handle}`))) return true
    }
  } catch {
    // Not ours to look into, or over.
  }
  return false
}
