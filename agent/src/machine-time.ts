import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'

/** What this machine knows of its boot and of its clock. */
export interface MachineTime {
  /** 16 hex digits, another one after each boot. */
  readonly bootId: string
  /** Milliseconds since boot. */
  bootMs(): number
  isMachineSynced(): boolean
}

/** @param syncedFile exists once a time server has set the machine's clock */
export function machineTime(syncedFile: string): MachineTime {
  return {
    bootId: readBootId(),
    bootMs: () => Number(process.hrtime.bigint() / 1_000_000n),
    isMachineSynced: () => existsSync(syncedFile),
  }
}

/** Linux tells its boots apart; elsewhere each process counts as a boot of its own, which is as safe. */
function readBootId(): string {
  try {
    const text = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').replaceAll('-', '').trim()
    if (/^[0-9a-f]{32}$/.test(text)) return text.slice(0, 16)
  } catch {
    // Not a Linux machine.
  }
  return randomBytes(8).toString('hex')
}
