import { cpSync, existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'

export const ARCHITECTURES = ['amd64', 'arm64'] as const
export type Architecture = (typeof ARCHITECTURES)[number]

/** What npm and Node call an architecture of Debian. */
const PREBUILT: Readonly<Record<Architecture, { readonly folder: string; readonly napi: string }>> = {
  amd64: { folder: 'linux-x64', napi: 'linux-x64.node' },
  arm64: { folder: 'linux-arm64', napi: 'linux-arm64.node' },
}

/**
 * Needed to compile native modules, or for their types, and by no running agent. `usb` is the driver of Bluetooth
 * adapters on Windows and FreeBSD.
 */
const NOT_AT_RUN_TIME = /^(@types\/.*|undici-types|prebuild-install|patch-package|node-addon-api|usb)$/
/** Files that no running program opens. */
const NOT_SHIPPED =
  /\.(map|md|markdown|ts|mts|cts|gyp|gypi|c|cc|cpp|h|hpp|obj|yml|flow)$|\/(test|tests|example|examples|docs|\.github)$/i
const NATIVE = /\.node$/

interface Manifest {
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/**
 * The npm packages that the built agent loads, as folders below the product's root, sorted.
 * @throws BioTrakrError CONFIG_UNREADABLE for one that is not installed
 */
export function productionModules(root: string): readonly string[] {
  const found = new Set<string>()
  const visit = (folder: string) => {
    const { dependencies, optionalDependencies } = readManifest(folder)
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      if (name.startsWith('@biotrakr/') || NOT_AT_RUN_TIME.test(name)) continue
      const module = locate(name, { from: folder, root })
      if (found.has(module)) continue
      found.add(module)
      visit(module)
    }
  }
  visit(join(root, 'agent'))
  return [...found].map((folder) => relative(root, folder)).sort()
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
}

function locate(name: string, { from, root }: { readonly from: string; readonly root: string }): string {
  for (let folder = from; folder.startsWith(root); folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name)
    if (existsSync(join(candidate, 'package.json'))) return candidate
  }
  throw new BioTrakrError(`${name}, which ${from} needs, is not installed`, {
    code: 'CONFIG_UNREADABLE',
    next: 'Run npm ci.',
  })
}

interface CopyOptions {
  readonly root: string
  readonly to: string
  readonly architecture: Architecture
  /** Whether the better-sqlite3 that was compiled here fits: Node 20 on this architecture. */
  readonly withCompiled: boolean
}

/** Copies modules without their sources, and of their native parts those of one architecture. */
export function copyModules(modules: readonly string[], { root, to, architecture, withCompiled }: CopyOptions): void {
  for (const module of modules) {
    if (module.endsWith('/better-sqlite3') && !withCompiled) continue
    const source = join(root, module)
    cpSync(source, join(to, module), {
      recursive: true,
      filter: (path) => isShipped(relative(source, path), { module, architecture }),
    })
  }
}

interface Place {
  readonly module: string
  readonly architecture: Architecture
}

function isShipped(path: string, { module, architecture }: Place): boolean {
  if (path === '') return true
  if (path.split('/').includes('node_modules') || NOT_SHIPPED.test(`/${path}`)) return false
  if (module.includes('better-sqlite3')) return isShippedOfSqlite(path, architecture)
  if (/^prebuilds\/./.test(path)) return isPrebuilt(path, architecture)
  return !NATIVE.test(path)
}

/** The one file that is loaded; SQLite's own sources are 9 MB. */
function isShippedOfSqlite(path: string, architecture: Architecture): boolean {
  if (/^(deps|src)(\/|$)/.test(path)) return false
  if (path.startsWith('prebuilds/')) return path === `prebuilds/${PREBUILT[architecture].napi}`
  if (path.startsWith('build/')) return 'build/Release/better_sqlite3.node'.startsWith(path)
  return true
}

/** Debian's C library is glibc. */
function isPrebuilt(path: string, architecture: Architecture): boolean {
  const { folder } = PREBUILT[architecture]
  return path === `prebuilds/${folder}` || (path.startsWith(`prebuilds/${folder}/`) && !path.includes('musl'))
}

/** Licences and versions of what is in the package, for Debian's copyright file. */
export function copyrightOf(modules: readonly string[], root: string): string {
  const lines = modules.map((module) => {
    const { name, version, license } = readManifest(join(root, module)) as Manifest & {
      readonly name: string
      readonly license?: string
    }
    return `${name} ${version}: ${license ?? 'see its folder'}`
  })
  return [...new Set(lines)].join('\n')
}
