import { execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import {
  type Clock,
  RELEASE_FILE,
  RELEASE_FORMAT,
  type Release,
  releaseCounter,
  SIGNATURE_FILE,
} from '@biotrakr/shared'

import type { ReleasePlaces } from './upkeep/release-slots.ts'

export interface ReleaseKey {
  readonly privateKey: KeyObject
  readonly pem: string
}

export function makeKey(): ReleaseKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return { privateKey, pem: publicKey.export({ type: 'spki', format: 'pem' }).toString() }
}

/** The root folders of a gateway in a folder of their own. */
export function makePlaces(): ReleasePlaces & { readonly root: string } {
  const root = mkdtempSync(join(tmpdir(), 'biotrakr-update-'))
  const at = (name: string) => join(root, name)
  return { root, packaged: at('packaged'), updates: at('opt'), trials: at('run') }
}

interface Made {
  readonly version: string
  readonly pins: string
  readonly storeSchemas?: { readonly reads: number; readonly writes: number }
  /** The program: it says its version unless told otherwise. */
  readonly program?: string
}

const SCHEMAS = { reads: 2, writes: 2 }

/** Lays out a release whose program only says which one it is. */
export function layOut(folder: string, { version, pins, storeSchemas = SCHEMAS, program }: Made): void {
  mkdirSync(join(folder, 'agent/dist'), { recursive: true })
  const text = program ?? `process.stdout.write(${JSON.stringify(`${version}\n`)})\n`
  writeFileSync(join(folder, 'agent/dist/main.js'), text)
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'release-keys.pem'), pins)
  const said = { format: RELEASE_FORMAT, version, counter: releaseCounter(version), storeSchemas }
  writeFileSync(join(folder, RELEASE_FILE), JSON.stringify(said))
}

/** Builds a signed release with a real Debian package. @returns its folder */
export function makeRelease(made: Made, key: ReleaseKey, change: Partial<Release> = {}): string {
  const { version, storeSchemas = SCHEMAS } = made
  const out = mkdtempSync(join(tmpdir(), 'biotrakr-release-'))
  const tree = mkdtempSync(join(tmpdir(), 'biotrakr-tree-'))
  layOut(join(tree, 'usr/lib/biotrakr'), made)
  mkdirSync(join(tree, 'DEBIAN'), { mode: 0o755 })
  const control = `Package: biotrakr-agent\nVersion: ${version}\nArchitecture: amd64\nMaintainer: T <t@t.example>\nDescription: t\n`
  writeFileSync(join(tree, 'DEBIAN/control'), control)
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const name = `biotrakr-agent_${version}_${architecture}.deb`
  execFileSync('dpkg-deb', ['--build', '--root-owner-group', '-Znone', tree, join(out, name)], { stdio: 'ignore' })
  const content = readFileSync(join(out, name))
  const sha256 = createHash('sha256').update(content).digest('hex')
  const release: Release = {
    format: RELEASE_FORMAT,
    version,
    counter: releaseCounter(version),
    storeSchemas,
    published: '2026-01-01T00:00:00Z',
    packages: [{ name, architecture, nodeMajor: 20, bytes: content.length, sha256 }],
    ...change,
  }
  const document = Buffer.from(JSON.stringify(release))
  writeFileSync(join(out, RELEASE_FILE), document)
  writeFileSync(join(out, SIGNATURE_FILE), `${sign(null, document, key.privateKey).toString('base64')}\n`)
  return out
}

/** Time that passes only while somebody waits for it, and then at once. */
export function hastyClock(): Clock {
  let nowMs = 0
  const after: Clock['after'] = (delayMs, task) => {
    const handle = setImmediate(() => {
      nowMs += delayMs
      task()
    })
    return { cancel: () => clearImmediate(handle) }
  }
  const every: Clock['every'] = () => ({ cancel: () => undefined })
  return { wallMs: () => nowMs, monoMs: () => nowMs, after, every }
}
