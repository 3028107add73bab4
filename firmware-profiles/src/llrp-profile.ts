import { schemaProblems } from './check-shape.ts'
import type { LlrpRoSpecSettings } from './llrp-commands.ts'
import { canonical, type LoadOptions, loaded } from './load.ts'
import type { Problem } from './problem.ts'
import type { ProfileDocument } from './profile.ts'
import { type ProfileSources, resolveProfile } from './resolve.ts'

/** A profile that sets up the built-in LLRP driver, as it is written. */
interface LlrpProfileDocument
  extends Pick<ProfileDocument, 'id' | 'version' | 'name' | 'description' | 'models' | 'evidence' | 'tagKind'> {
  readonly driver: 'llrp'
  readonly tcpPort: number
  readonly rospec: LlrpRoSpecSettings
}

export interface LlrpProfile extends Pick<LlrpProfileDocument, 'id' | 'version' | 'name' | 'tcpPort' | 'rospec'> {
  /** SHA-256 of the whole resolved document. */
  readonly fingerprint: string
  readonly document: LlrpProfileDocument
}

export type LlrpProfileCheck =
  | { readonly profile: LlrpProfile; readonly problems: readonly [] }
  | { readonly profile?: undefined; readonly problems: readonly Problem[] }

/** Whether a profile, with what it extends, names a built-in driver: then `loadLlrpProfile` loads it. */
export function isBuiltIn(id: string, sources: ProfileSources): boolean {
  const { document } = resolveProfile(id, sources)
  return typeof document === 'object' && document !== null && 'driver' in document
}

/** Resolves and checks one profile of the driver `llrp`. */
export function checkLlrpProfile(id: string, sources: ProfileSources, { sha256 }: LoadOptions): LlrpProfileCheck {
  const resolved = resolveProfile(id, sources)
  const problems = resolved.problems.length > 0 ? resolved.problems : schemaProblems(resolved.document)
  if (problems.length > 0) return { problems }
  const document = resolved.document as LlrpProfileDocument
  const { version, name, tcpPort, rospec } = document
  if (document.id !== id) {
    return { problems: [{ path: 'id', message: `is ${document.id}, but the profile's folder is ${id}` }] }
  }
  if (rospec.aiSpecMs > 0 && rospec.aiSpecMs < 1_000) {
    return { problems: [{ path: 'rospec.aiSpecMs', message: 'is neither 0 nor 1000 to 3600000' }] }
  }
  const fingerprint = sha256(canonical(document))
  return { profile: { id, version, name, tcpPort, rospec, fingerprint, document }, problems: [] }
}

/**
 * A profile of the driver `llrp`, ready for use.
 * @throws BioTrakrError PROFILE_INVALID with one line for each problem
 */
export function loadLlrpProfile(id: string, sources: ProfileSources, options: LoadOptions): LlrpProfile {
  const { profile, problems } = checkLlrpProfile(id, sources, options)
  return loaded(id, profile, problems)
}
