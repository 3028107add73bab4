import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** A serial device of this machine, and what its USB adapter says of itself. */
export interface SerialDevice {
  /** For the configuration: by the name that stays, where there is one. */
  readonly address: string
  /** What the kernel calls it today. */
  readonly path: string
  /** False: the name may mean another device after the next restart. */
  readonly isStable: boolean
  /** 4 lower-case hex digits. */
  readonly vendorId?: string
  readonly productId?: string
  readonly vendor?: string
  readonly product?: string
}

interface Roots {
  readonly dev: string
  readonly sys: string
}

/** Ports that readers are at; plain ttyS* are listed by every kernel whether they are there or not. */
const PLUGGED = /^tty(?:USB|ACM|AMA)\d+$/
/** A tty is a few folders below its USB device. */
const MAX_CLIMB = 6

/** Serial devices that are plugged in now, by address. */
export function listSerialDevices({ dev, sys }: Roots = { dev: '/dev', sys: '/sys' }): SerialDevice[] {
  const byId = join(dev, 'serial/by-id')
  const lasting = new Map<string, string>()
  for (const name of entries(byId)) {
    const path = realPath(join(byId, name))
    if (path !== undefined) lasting.set(path, join(byId, name))
  }
  const plugged = entries(dev).flatMap((name) => (PLUGGED.test(name) ? [join(dev, name)] : []))
  const paths = [...new Set([...lasting.keys(), ...plugged])].sort()
  return paths.map((path) => {
    const name = lasting.get(path)
    return { address: `serial:${name ?? path}`, path, isStable: name !== undefined, ...usbOf(path, sys) }
  })
}

function usbOf(path: string, sys: string): Omit<SerialDevice, 'address' | 'path' | 'isStable'> {
  let folder = realPath(join(sys, 'class/tty', basename(path), 'device'))
  for (let up = 0; folder !== undefined && up < MAX_CLIMB; up++, folder = dirname(folder)) {
    if (!existsSync(join(folder, 'idVendor'))) continue
    const facts = { vendorId: 'idVendor', productId: 'idProduct', vendor: 'manufacturer', product: 'product' } as const
    const said = Object.entries(facts).map(([fact, file]) => [fact, textOf(join(folder ?? '', file))] as const)
    return Object.fromEntries(said.filter(([, text]) => text !== ''))
  }
  return {}
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

/** What a device says of itself, without what would upset a terminal. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
      .replace(/[^\x20-\x7e]/g, '')
      .trim()
      .slice(0, 80)
  } catch {
    return ''
  }
}
