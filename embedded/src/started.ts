import { readFileSync } from 'node:fs'

const CLOCK_TICKS = 100

/**
 * When the user's command began, wall milliseconds: `npm start` builds before it starts this process, and that counts.
 * Where /proc does not tell, the start of this process.
 */
export function commandStartMs(nowMs: number): number {
  const own = nowMs - process.uptime() * 1000
  if (process.env['npm_lifecycle_event'] !== 'start') return own
  let oldest = own
  let pid = process.ppid
  // npm, the shell it starts the script with, and this process.
  for (let up = 0; up < 3 && pid > 1; up++) {
    const found = readProcess(pid)
    if (!found) break
    if (found.isNpm) oldest = Math.min(oldest, nowMs - found.ageMs)
    pid = found.parent
  }
  return oldest
}

interface Ancestor {
  readonly parent: number
  readonly ageMs: number
  readonly isNpm: boolean
}

/** Fields 4 (parent) and 22 (start in clock ticks after boot) of proc(5) stat, counted from behind the name in brackets. */
function readProcess(pid: number): Ancestor | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [parent, start] = [Number(fields[1]), Number(fields[19])]
    const upMs = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000
    const isNpm = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('npm')
    return { parent, ageMs: upMs - (start * 1000) / CLOCK_TICKS, isNpm }
  } catch {
    return undefined
  }
}
