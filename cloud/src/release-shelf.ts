import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

import {
  BioTrakrError,
  parseWhole,
  RELEASE_FILE,
  type Release,
  releaseSchema,
  SIGNATURE_FILE,
  type SignedRelease,
} from '@biotrakr/shared'

interface Shelved {
  readonly release: Release
  readonly signed: SignedRelease
  readonly folder: string
}

/** Releases that gateways may take, each in a folder of its own. */
export interface ReleaseShelf {
  /** All of them, newest first. */
  list(): readonly Shelved[]
  /** Puts a release in after every package was compared with its document. @throws BioTrakrError RELEASE_INVALID */
  add(folder: string): Release
}

const NEXT = 'Give the folder that `npm run package -- --sign KEY` wrote.'

/**
 * The shelf holds no key and does not judge signatures: gateways do, with the keys of the release they run, so that
 * whoever takes over the centre can give them nothing of his own.
 */
export function openReleaseShelf(root: string): ReleaseShelf {
  return {
    list: () => (existsSync(root) ? readShelf(root) : []),
    add(folder) {
      const { release } = readRelease(folder)
      for (const { name, bytes, sha256 } of release.packages) {
        const file = join(folder, name)
        const isRight = existsSync(file) && statSync(file).size === bytes && sumOf(file) === sha256
        if (!isRight) throw invalid(`${file} is not what ${RELEASE_FILE} says`)
      }
      const place = join(root, release.version)
      if (existsSync(place)) throw invalid(`release ${release.version} is there already`)
      const half = join(root, `.${release.version}`)
      rmSync(half, { recursive: true, force: true })
      mkdirSync(half, { recursive: true, mode: 0o755 })
      for (const name of [RELEASE_FILE, SIGNATURE_FILE, ...release.packages.map((one) => one.name)]) {
        copyFileSync(join(folder, name), join(half, name))
      }
      renameSync(half, place)
      return release
    },
  }
}

function readShelf(root: string): readonly Shelved[] {
  const names = readdirSync(root).filter((name) => !name.startsWith('.') && existsSync(join(root, name, RELEASE_FILE)))
  return names.map((name) => readRelease(join(root, name))).sort((a, b) => b.release.counter - a.release.counter)
}

function readRelease(folder: string): Shelved {
  const document = readText(join(folder, RELEASE_FILE))
  const signature = readText(join(folder, SIGNATURE_FILE)).trim()
  const release = parseWhole(releaseSchema, parseJson(document, folder), {
    origin: join(folder, RELEASE_FILE),
    code: 'RELEASE_INVALID',
    next: NEXT,
  })
  return { release, signed: { document, signature }, folder }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new BioTrakrError(`cannot read ${file}`, { code: 'RELEASE_INVALID', next: NEXT, cause })
  }
}

function parseJson(text: string, folder: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new BioTrakrError(`${folder}/${RELEASE_FILE} is no JSON`, { code: 'RELEASE_INVALID', next: NEXT, cause })
  }
}

function sumOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

function invalid(message: string): BioTrakrError {
  return new BioTrakrError(message, { code: 'RELEASE_INVALID', next: NEXT })
}
