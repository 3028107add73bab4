import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Bom {
  readonly serialNumber: string
  readonly metadata: {
    readonly timestamp: string
    readonly component: { readonly name: string; readonly version: string; readonly 'bom-ref': string }
  }
  readonly components: readonly { readonly purl: string; readonly 'bom-ref': string }[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[]
}

interface SbomOptions {
  readonly root: string
  readonly version: string
  readonly epoch: number
  /** Folders of the npm packages that are shipped, below the root. */
  readonly modules: readonly string[]
}

/**
 * CycloneDX document of what the package holds, made by npm from the lock file, without the network. What npm installs but
 * the package leaves out is taken away again, and nothing in it differs between two builds of the same sources.
 */
export function sbomOf({ root, version, epoch, modules }: SbomOptions): string {
  const words = ['sbom', '--sbom-format=cyclonedx', '--package-lock-only', '--offline', '--omit=dev', '-w', 'agent']
  const text = execFileSync('npm', words, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const bom = JSON.parse(text) as Bom
  const shipped = new Set(modules.map((module) => purlOf(join(root, module))))
  const isShipped = (purl: string) => purl.startsWith('pkg:npm/%40biotrakr/') || shipped.has(purl)
  const components = bom.components.filter(({ purl }) => isShipped(purl))
  const rootRef = bom.metadata.component['bom-ref']
  const refs = new Set([rootRef, ...components.map((component) => component['bom-ref'])])
  const dependencies = bom.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((name) => refs.has(name)) }))
  const digest = createHash('sha256').update(JSON.stringify({ version, components, dependencies })).digest('hex')
  const serialNumber = `urn:uuid:${uuidOf(digest)}`
  const component = { ...bom.metadata.component, type: 'application', name: 'biotrakr-agent', version }
  const timestamp = new Date(epoch * 1_000).toISOString()
  const metadata = { ...bom.metadata, timestamp, component }
  return `${JSON.stringify({ ...bom, serialNumber, metadata, components, dependencies }, null, 2)}\n`
}

/** How npm writes a package into such a document: packageurl of its name and version. */
function purlOf(folder: string): string {
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    readonly name: string
    readonly version: string
  }
  return `pkg:npm/${name.replace('@', '%40')}@${version}`
}

/** Version 8 of RFC 9562: the bits are ours. */
function uuidOf(hex: string): string {
  const part = (from: number, to: number) => hex.slice(from, to)
  return `${part(0, 8)}-${part(8, 12)}-8${part(13, 16)}-a${part(17, 20)}-${part(20, 32)}`
}
