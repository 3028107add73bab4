import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { type PackagedRelease, RELEASE_FILE, RELEASE_FORMAT, releaseCounter } from '@biotrakr/shared'

import { configExample } from '../src/config-example.ts'
import { NEWEST } from '../src/outbox/sqlite-schema.ts'
import { type Architecture, copyModules, copyrightOf, productionModules } from './modules.ts'

/** Where the packaged release lies on a gateway; what the launcher and the updater expect. */
const INSTALLED = 'usr/lib/biotrakr'

interface Program {
  /** The product's root folder. */
  readonly root: string
  readonly version: string
}

/** The store's schema that this release writes; see docs/decisions/0012-package-and-updates.md. */
export function packagedRelease(version: string): PackagedRelease {
  const storeSchemas = { reads: NEWEST, writes: NEWEST }
  return { format: RELEASE_FORMAT, version, counter: releaseCounter(version), storeSchemas }
}

/** Bundles our own code into one file per program; npm packages stay outside, as in build.ts. */
function bundlePrograms({ root, version }: Program, to: string): void {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'agent/package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>
  }
  const external = Object.keys(dependencies).filter((name) => !name.startsWith('@biotrakr/'))
  const entries = ['main', 'launch'].map((name) => `${name}=${join(root, `agent/src/${name}.ts`)}`)
  execFileSync(
    join(root, 'node_modules/.bin/esbuild'),
    [
      ...entries,
      `--outdir=${to}`,
      '--bundle',
      '--platform=node',
      '--format=esm',
      '--target=node20',
      '--conditions=biotrakr:source',
      '--log-level=warning',
      `--define:BIOTRAKR_VERSION=${JSON.stringify(version)}`,
      ...external.map((name) => `--external:${name}`),
    ],
    { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
  )
}

interface StageOptions extends Program {
  readonly architecture: Architecture
  /** Whether the better-sqlite3 compiled here goes in: for Node 20. */
  readonly withCompiled: boolean
  /** PEM of the keys that this release takes its successors from. */
  readonly publicKeys: readonly string[]
}

/** Lays out all files of the package below a folder, as they will lie below `/`. */
export function stageFiles(folder: string, options: StageOptions): void {
  const { root, version, architecture, withCompiled, publicKeys } = options
  const installed = join(folder, INSTALLED)
  bundlePrograms(options, join(installed, 'agent/dist'))
  write(join(installed, 'package.json'), '{ "type": "module" }\n')
  write(join(installed, RELEASE_FILE), `${JSON.stringify(packagedRelease(version), null, 2)}\n`)
  write(join(installed, 'release-keys.pem'), publicKeys.join(''))
  write(join(installed, 'agent.yaml.example'), configExample())
  const modules = productionModules(root)
  copyModules(modules, { root, to: installed, architecture, withCompiled })
  copyProfiles(join(root, 'firmware-profiles'), join(installed, 'firmware-profiles'))
  cpSync(join(root, 'agent/web'), join(installed, 'agent/web'), { recursive: true })
  write(
    join(folder, 'usr/bin/biotrakr'),
    '#!/usr/bin/node --enable-source-maps\nimport("/usr/lib/biotrakr/agent/dist/launch.js")\n',
    0o755,
  )
  copyUnits(join(root, 'systemd'), folder)
  const doc = join(folder, 'usr/share/doc/biotrakr-agent')
  const licence = readFileSync(join(root, 'LICENSE'), 'utf8')
  write(join(doc, 'copyright'), `${licence}\nPackages of npm that come with it:\n${copyrightOf(modules, root)}\n`)
  for (const name of ['CHANGELOG.md', 'docs/profiles.md', 'docs/install.md', 'docs/operate.md', 'docs/security.md']) {
    if (existsSync(join(root, name)))
      write(join(doc, name.replace('docs/', '')), readFileSync(join(root, name), 'utf8'))
  }
}

/** Reader profiles without their recordings and tests. */
function copyProfiles(from: string, to: string): void {
  cpSync(join(from, 'profile.schema.json'), join(to, 'profile.schema.json'))
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const profile = join(from, entry.name, 'profile.json')
    if (entry.isDirectory() && existsSync(profile)) cpSync(profile, join(to, entry.name, 'profile.json'))
  }
}

function copyUnits(from: string, folder: string): void {
  const places = {
    'biotrakr-agent.service': 'usr/lib/systemd/system/biotrakr-agent.service',
    'biotrakr-update.service': 'usr/lib/systemd/system/biotrakr-update.service',
    'biotrakr-update.timer': 'usr/lib/systemd/system/biotrakr-update.timer',
    'biotrakr-agent.sysusers': 'usr/lib/sysusers.d/biotrakr-agent.conf',
    'biotrakr-agent.tmpfiles': 'usr/lib/tmpfiles.d/biotrakr-agent.conf',
    '60-biotrakr-readers.rules': 'usr/lib/udev/rules.d/60-biotrakr-readers.rules',
  }
  for (const [name, place] of Object.entries(places)) write(join(folder, place), readFileSync(join(from, name), 'utf8'))
}

function write(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text, { mode })
}
