import { readdir, readFile, readlink, realpath } from 'node:fs/promises'

/**
 * Who has a device open, from Linux's /proc: `socat (process 4711)`. Sees only the processes that this user may look into.
 * @returns undefined when nobody is found; never rejects
 */
export async function holderOf(path: string): Promise<string | undefined> {
  try {
    const device = await realpath(path)
    for (const pid of await readdir('/proc')) {
      if (/^\d+$/.test(pid) && pid !== String(process.pid) && (await hasOpen(pid, device))) {
        const name = await readFile(`/proc/${pid}/comm`, 'utf8')
        return `${name.trim()} (process ${pid})`
      }
    }
  } catch {
    // A process may end while it is looked at, and other systems have no /proc.
  }
  return undefined
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
