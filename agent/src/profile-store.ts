import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import {
  checkLlrpProfile,
  checkProfile,
  type Driver,
  isBuiltIn,
  type LlrpProfile,
  type LlrpProfileCheck,
  loadLlrpProfile,
  loadProfile,
  type Problem,
  type ProfileCheck,
} from '@biotrakr/firmware-profiles'
import { BioTrakrError } from '@biotrakr/shared'

/** Reader profiles as they lie on disk. */
export interface ProfileStore {
  /** Ids of all profiles, sorted, with those of built-in drivers. */
  readonly ids: readonly string[]
  /** A profile as it is written, before `extends` is followed. Throws PROFILE_INVALID when there is none. */
  document(id: string): Readonly<Record<string, unknown>>
  /** True: spoken by code of ours, which the profile only sets up (LLRP). */
  isBuiltIn(id: string): boolean
  /** Of a profile that is not built in. */
  check(id: string): ProfileCheck
  /** Throws PROFILE_INVALID with every problem. */
  load(id: string): Driver
  /** The same for a profile that is built in. */
  checkBuiltIn(id: string): LlrpProfileCheck
  loadBuiltIn(id: string): LlrpProfile
}

const options = { sha256: (text: string) => createHash('sha256').update(text).digest('hex') }

/**
 * The profiles of the product, and one of the user's own if its file is given; that one may extend any of the others.
 *
 * @param named an id, or the path of a profile's JSON file
 * @throws BioTrakrError PROFILE_INVALID when a file is not there or is no JSON
 */
export function openProfiles(named?: string): ProfileStore & { readonly id: string } {
  const sources = readSources(findProfiles())
  const own = named === undefined || sources.has(named) ? undefined : readOwn(named)
  if (own !== undefined) sources.set(own.id, own.document)
  const document = (id: string) => {
    const found = sources.get(id)
    if (found !== undefined) return found
    throw new BioTrakrError(`There is no profile ${id}`, {
      code: 'PROFILE_INVALID',
      next: 'Take one that `biotrakr profiles list` names, or give the path of a profile.json.',
    })
  }
  return {
    id: own?.id ?? named ?? '',
    ids: [...sources.keys()].sort(),
    document,
    isBuiltIn: (id) => document(id) !== undefined && isBuiltIn(id, sources),
    check: (id) => checkProfile(id, sources, options),
    load: (id) => loadProfile(id, sources, options),
    checkBuiltIn: (id) => checkLlrpProfile(id, sources, options),
    loadBuiltIn: (id) => loadLlrpProfile(id, sources, options),
  }
}

/** Where the profiles are, seen from the source and from the bundle agent/dist/main.js. */
function findProfiles(): string {
  const start = dirname(fileURLToPath(import.meta.url))
  for (let folder = start; ; folder = dirname(folder)) {
    const candidate = join(folder, 'firmware-profiles')
    if (existsSync(join(candidate, 'profile.schema.json'))) return candidate
    if (folder === dirname(folder)) break
  }
  throw new BioTrakrError(`The folder of reader profiles was not found above ${start}`, {
    code: 'PROFILE_INVALID',
    next: 'Install the folder firmware-profiles beside the folder agent.',
  })
}

type Document = Readonly<Record<string, unknown>>

function readSources(root: string): Map<string, Document> {
  const sources = new Map<string, Document>()
  for (const name of readdirSync(root)) {
    const file = join(root, name, 'profile.json')
    if (existsSync(file)) sources.set(name, readDocument(file))
  }
  return sources
}

function readDocument(file: string): Document {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new BioTrakrError(`Profile ${file} cannot be read`, {
      code: 'PROFILE_INVALID',
      cause,
      next: 'Give an id that `biotrakr profiles list` names, or the path of a readable profile.json.',
    })
  }
  const document = parsed(text, file)
  if (typeof document === 'object' && document !== null && !Array.isArray(document)) return document as Document
  throw new BioTrakrError(`Profile ${file} is no JSON object`, { code: 'PROFILE_INVALID', next: SHAPE })
}

const SHAPE = 'docs/profiles.md and firmware-profiles/profile.schema.json say how a profile is written.'

function parsed(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new BioTrakrError(`Profile ${file} is no JSON`, { code: 'PROFILE_INVALID', cause, next: SHAPE })
  }
}

function readOwn(named: string): { readonly id: string; readonly document: Document } {
  const path = resolve(named)
  const isFolder = existsSync(path) && statSync(path).isDirectory()
  const file = isFolder ? join(path, 'profile.json') : path
  const document = readDocument(file)
  const { id } = document
  return { id: typeof id === 'string' ? id : dirname(file), document }
}

/** Problems as lines: where, and what. */
export function problemLines(problems: readonly Problem[]): string[] {
  return problems.map(({ path, message }) => `${path === '' ? '(whole document)' : path}: ${message}`)
}
