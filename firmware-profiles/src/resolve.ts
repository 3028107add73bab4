import type { Problem } from './problem.ts'

/** Profile documents by id, as they were read from disk; not checked yet. */
export type ProfileSources = ReadonlyMap<string, unknown>

interface Resolved {
  readonly document: unknown
  readonly problems: readonly Problem[]
}

type Plain = Readonly<Record<string, unknown>>

/** Follows `extends` down to a profile that stands alone, and merges on the way back. */
export function resolveProfile(id: string, sources: ProfileSources, seen: readonly string[] = []): Resolved {
  const document = sources.get(id)
  if (document === undefined)
    return { document, problems: [{ path: seen.length > 0 ? 'extends' : '', message: `there is no profile ${id}` }] }
  const base = isPlain(document) ? document['extends'] : undefined
  if (!isPlain(document) || typeof base !== 'string') return { document, problems: [] }
  if (base === id || seen.includes(base)) {
    return { document, problems: [{ path: 'extends', message: `${base} extends itself in the end` }] }
  }
  const below = resolveProfile(base, sources, [...seen, id])
  return { document: isPlain(below.document) ? merge(below.document, document) : document, problems: below.problems }
}

/** Objects merge member by member, null removes, anything else replaces. */
function merge(base: Plain, change: Plain): Plain {
  const merged: Record<string, unknown> = { ...base }
  for (const [name, value] of Object.entries(change)) {
    const before = merged[name]
    if (value === null) delete merged[name]
    else merged[name] = isPlain(value) && isPlain(before) ? merge(before, value) : value
  }
  return merged
}

function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
