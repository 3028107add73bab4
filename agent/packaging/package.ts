import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

import { BioTrakrError, explainError, RELEASE_FILE, type ReleasePackage, SIGNATURE_FILE } from '@biotrakr/shared'

import { buildDeb } from './deb.ts'
import { ARCHITECTURES, type Architecture, productionModules } from './modules.ts'
import { describePackage, readSigningKey, writeRelease, writeSums } from './release-files.ts'
import { sbomOf } from './sbom.ts'
import { stageFiles } from './stage.ts'

const HELP = `npm run package -- [options]

Builds a release of the agent: a Debian package for each architecture, release.json, SBOM and SHA256SUMS.

  --out FOLDER      where to, dist/release unless told
  --version X.Y.Z   that of agent/package.json unless told
  --arch NAME       amd64 or arm64 only
  --sign FILE       Ed25519 key that signs the release; its public half is pinned into the packages
  --compress N      0 to 9, as of xz; 6 unless told
  --pin FILE        further public key (PEM) from which the packages take a next release; may be repeated

SOURCE_DATE_EPOCH is the time of the newest file, that of the newest commit unless told.
`

/** ABI of Node 20 (nodejs.org/dist/index.json): better-sqlite3 12 is compiled for exactly one. */
const NODE_20_ABI = '115'
const DEBIAN_NAMES: Readonly<Record<string, Architecture>> = { x64: 'amd64', arm64: 'arm64' }

interface Wish {
  readonly root: string
  readonly out: string
  readonly version: string
  readonly architectures: readonly Architecture[]
  readonly epoch: number
  readonly key?: { readonly privatePem: string; readonly publicPem: string } | undefined
  readonly pins: readonly string[]
  readonly compress: number
}

function readWish(argv: readonly string[]): Wish {
  const root = resolve(import.meta.dirname, '../..')
  const { values } = parseArgs({
    args: [...argv],
    options: {
      out: { type: 'string', default: join(root, 'dist/release') },
      version: { type: 'string' },
      arch: { type: 'string' },
      sign: { type: 'string' },
      compress: { type: 'string', default: '6' },
      pin: { type: 'string', multiple: true, default: [] },
    },
  })
  const own = JSON.parse(readFileSync(join(root, 'agent/package.json'), 'utf8')) as { readonly version: string }
  const { arch, sign: keyFile } = values
  const architectures = ARCHITECTURES.filter((name) => arch === undefined || arch === name)
  if (architectures.length === 0) {
    throw new BioTrakrError(`${arch} is no architecture of a package`, { code: 'USAGE', next: 'amd64 and arm64 are.' })
  }
  return {
    root,
    out: resolve(values.out),
    version: values.version ?? own.version,
    architectures,
    epoch: Number(process.env['SOURCE_DATE_EPOCH'] ?? newestCommit(root)),
    key: keyFile === undefined ? undefined : readSigningKey(keyFile),
    compress: Number(values.compress),
    pins: values.pin.map((file) => readFileSync(file, 'utf8')),
  }
}

/** Seconds; 0 outside a repository. */
function newestCommit(root: string): number {
  try {
    const words = ['log', '-1', '--format=%ct']
    return Number(execFileSync('git', words, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
  } catch {
    return 0
  }
}

function packageFor(architecture: Architecture, wish: Wish): ReleasePackage {
  const { root, out, version, epoch, key, pins, compress } = wish
  // No one has compiled better-sqlite3 12 for another architecture than this; 13 comes ready-made for Node 22 and later.
  const withCompiled = DEBIAN_NAMES[process.arch] === architecture && process.versions.modules === NODE_20_ABI
  const nodeMajor = withCompiled ? 20 : 22
  const publicKeys = [...(key ? [key.publicPem] : []), ...pins]
  const folder = mkdtempSync(join(tmpdir(), 'biotrakr-package-'))
  try {
    stageFiles(folder, { root, version, architecture, withCompiled, publicKeys })
    const file = join(out, `biotrakr-agent_${version}_${architecture}.deb`)
    const scripts = join(import.meta.dirname, 'debian')
    buildDeb(folder, file, { version, architecture, nodeMajor, scripts, epoch, compress })
    return describePackage(file, { architecture, nodeMajor })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function buildRelease(wish: Wish): void {
  const { root, out, version, epoch, key } = wish
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  const packages = wish.architectures.map((architecture) => packageFor(architecture, wish))
  writeRelease(out, { version, epoch, packages, privatePem: key?.privatePem })
  const sbom = `biotrakr-agent_${version}.cdx.json`
  writeFileSync(join(out, sbom), sbomOf({ root, version, epoch, modules: productionModules(root) }))
  const names = [RELEASE_FILE, sbom, ...packages.map(({ name }) => name), ...(key ? [SIGNATURE_FILE] : [])]
  copyFileSync(join(root, 'agent/packaging/VERIFY.md'), join(out, 'VERIFY.md'))
  writeSums(out, [...names, 'VERIFY.md'])
  for (const { name, bytes, nodeMajor } of packages) {
    process.stdout.write(`${join(out, name)}: ${(bytes / 1e6).toFixed(1)} MB, for Node ${nodeMajor} and later\n`)
  }
  if (!key) process.stdout.write('Not signed: no gateway takes it by `biotrakr update` (--sign FILE).\n')
}

try {
  if (process.argv.includes('--help')) process.stdout.write(HELP)
  else buildRelease(readWish(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`package: ${explainError(error)}\n`)
  process.exitCode = 1
}
