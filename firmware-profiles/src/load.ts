import { BioTrakrError } from '@biotrakr/shared'

import { frameProblems } from './check-frames.ts'
import { nameProblems } from './check-names.ts'
import { schemaProblems } from './check-shape.ts'
import { compileProfile } from './compile.ts'
import type { Driver } from './driver.ts'
import type { Problem } from './problem.ts'
import type { ProfileDocument } from './profile.ts'
import { type ProfileSources, resolveProfile } from './resolve.ts'

export interface LoadOptions {
  /** SHA-256 of a text as hex: this code may not reach for the platform's. */
  readonly sha256: (text: string) => string
}

export type ProfileCheck =
  | { readonly driver: Driver; readonly problems: readonly [] }
  | { readonly driver?: undefined; readonly problems: readonly Problem[] }

/**
 * Resolves, checks and compiles one profile. Every problem is told at once; names and frames are looked at only once the
 * document has the right shape.
 */
export function checkProfile(id: string, sources: ProfileSources, { sha256 }: LoadOptions): ProfileCheck {
  const resolved = resolveProfile(id, sources)
  if (resolved.problems.length > 0) return { problems: resolved.problems }
  const shape = schemaProblems(resolved.document)
  if (shape.length > 0) return { problems: shape }
  if ('driver' in (resolved.document as object)) {
    return { problems: [{ path: 'driver', message: 'names a built-in driver, so this profile describes no protocol' }] }
  }
  const document = resolved.document as ProfileDocument
  const names = nameProblems(document)
  if (document.id !== id) names.unshift({ path: 'id', message: `is ${document.id}, but the profile's folder is ${id}` })
  if (names.length > 0) return { problems: names }
  const driver = compileProfile(document, sha256(canonical(document)))
  const problems = frameProblems(driver)
  return problems.length > 0 ? { problems } : { driver, problems: [] }
}

/**
 * A profile ready for use.
 * @throws BioTrakrError PROFILE_INVALID with one line for each problem
 */
export function loadProfile(id: string, sources: ProfileSources, options: LoadOptions): Driver {
  const { driver, problems } = checkProfile(id, sources, options)
  return loaded(id, driver, problems)
}

/**
 * What was checked, or the error with all its problems.
 * @throws BioTrakrError PROFILE_INVALID
 */
export function loaded<T>(id: string, found: T | undefined, problems: readonly Problem[]): T {
  if (found !== undefined) return found
  const lines = problems.map(({ path, message }) => `  ${path || '(whole document)'}: ${message}`)
  const noun = lines.length === 1 ? 'problem' : 'problems'
  throw new BioTrakrError(`Profile ${id} has ${lines.length} ${noun}:\n${lines.join('\n')}`, {
    code: 'PROFILE_INVALID',
    next: 'Correct profile.json; `biotrakr profiles check` tells what is left.',
  })
}

/** The same text for the same content, whatever the order of its members. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, inside]) => `${JSON.stringify(name)}:${canonical(inside)}`).join(',')}}`
}
