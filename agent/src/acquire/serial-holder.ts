import { readdir, readFile, readlink, realpath, stat } from 'node:fs/promises'

/**
 * Who keeps a device from us, from Linux's /proc: `socat (process 4711)`. The owner of the lock if there is one, else the
 * first that has the device open; sees only the processes that this user may look into.
 * @returns undefined when nobody is found; never rejects
 */
export async function holderOf(path: string): Promise<string | undefined> {
  try {
    const device = await realpath(path)
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    for (const pid of [...(await lockOwners(device)), ...pids]) {
      if (await hasOpen(pid, device)) {
        const name = await readFile(`/proc/${pid}/comm`, 'utf8')
        return `${name.trim()} (process ${pid})`
      }
    }
  } catch {
    // A process may end while it is looked at, and other systems have no /proc.
  }
  return undefined
}

/** Processes with a lock on this inode, whatever the file system: `hasOpen` tells which of them it is (proc(5), locks). */
async function lockOwners(device: string): Promise<readonly string[]> {
  const { ino } = await stat(device)
  const locks = (await readFile('/proc/locks', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/))
  return locks.flatMap(([, , , , pid, place]) => (pid !== undefined && place?.endsWith(`:${ino}`) ? [pid] : []))
}

async function hasOpen(pid: string, device: string): Promise<boolean> {
  try {
    for (const handle of await readdir(`/proc/${pid}/fd`)) {
      if ((await readlink(`/proc/${pid}/fd/${handle}`)) === device) return true
    }
  } catch {
    // Not ours to look into, or over.
  }
  return false
}
