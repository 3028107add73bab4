import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Architecture } from './modules.ts'

interface DebOptions {
  readonly version: string
  readonly architecture: Architecture
  /** Lowest major version of Node that the native modules fit. */
  readonly nodeMajor: number
  /** Folder with postinst, prerm and postrm. */
  readonly scripts: string
  /** Seconds; no file of the package is newer. */
  readonly epoch: number
  /** 0 to 9, as of xz. */
  readonly compress: number
}

/** Node 20.19 is what Debian 13 has; 22 and later come from nodesource.com, under the same name. */
const NODE: Readonly<Record<number, string>> = { 20: '20.19', 22: '22.12' }

/**
 * Makes a Debian package of a folder. The same files and `epoch` give the same bytes.
 * @param file where the package is written
 */
export function buildDeb(folder: string, file: string, options: DebOptions): void {
  const { scripts, epoch, compress } = options
  const kibibytes = evenOut(folder)
  const control = join(folder, 'DEBIAN')
  mkdirSync(control, { mode: 0o755 })
  chmodSync(control, 0o755)
  writeFileSync(join(control, 'control'), controlText(options, kibibytes), { mode: 0o644 })
  for (const name of ['postinst', 'prerm', 'postrm']) {
    copyFileSync(join(scripts, name), join(control, name))
    chmodSync(join(control, name), 0o755)
  }
  // dpkg-deb sorts its entries and takes SOURCE_DATE_EPOCH as the newest time. More than one thread cuts xz's blocks
  // elsewhere.
  execFileSync(
    'dpkg-deb',
    ['--build', '--root-owner-group', '-Zxz', `-z${compress}`, '--threads-max=1', folder, file],
    {
      env: { PATH: process.env['PATH'], SOURCE_DATE_EPOCH: String(epoch), LC_ALL: 'C.UTF-8' },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
}

/** Modes do not depend on who checked the sources out. @returns what the files take, in KiB, as Debian counts */
function evenOut(folder: string): number {
  let kibibytes = 1
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      chmodSync(path, 0o755)
      kibibytes += evenOut(path)
      continue
    }
    chmodSync(path, path.endsWith('/usr/bin/biotrakr') ? 0o755 : 0o644)
    kibibytes += Math.ceil(lstatSync(path).size / 1_024)
  }
  return kibibytes
}

function controlText({ version, architecture, nodeMajor }: DebOptions, kibibytes: number): string {
  return `Package: biotrakr-agent
Version: ${version}
Architecture: ${architecture}
Maintainer: BioTrakr maintainers <security@biotrakr.example>
Installed-Size: ${kibibytes}
Depends: nodejs (>= ${NODE[nodeMajor] ?? nodeMajor}), passwd, dpkg (>= 1.19)
Recommends: systemd, udev
Suggests: bluez
Section: net
Priority: optional
Homepage: https://github.com/biotrakr/biotrakr
Description: gateway agent of BioTrakr, which finds tagged things by room
 Reads Bluetooth tags and UHF RFID readers on a ward, works out rooms locally,
 keeps every answer in an encrypted store and sends it to the centre exactly
 once. It works on while the network is down.
`
}
