import type { AgentConfig } from './config.ts'

/** What a changed configuration means for an agent that runs. */
export interface Change {
  /** Settings that are taken over at once. */
  readonly applied: readonly string[]
  /** Settings that are in force after a restart only. */
  readonly needsRestart: readonly string[]
}

/** Taken over while the agent runs; with them goes what is read from the files they name. */
const LIVE = new Set([
  'log.level',
  'tags',
  'siteMap',
  'siteMapDocument',
  'siteVersion',
  'calibrationVersion',
  'records.ledger',
  'records.keepAliveSeconds',
  'records.live',
])

export function changeOf(before: AgentConfig, after: AgentConfig): Change {
  const changed = changedKeys(before, after)
  return {
    applied: changed.filter((key) => LIVE.has(key)),
    needsRestart: changed.filter((key) => !LIVE.has(key)),
  }
}

/** One level below the sections, which is where settings stand. */
function changedKeys(before: object, after: object, path = ''): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  return names.flatMap((name) => {
    const [old, now] = [settingOf(before, name), settingOf(after, name)]
    if (JSON.stringify(old) === JSON.stringify(now)) return []
    const isSection = path === '' && !LIVE.has(name) && isObject(old) && isObject(now)
    return isSection ? changedKeys(old, now, `${name}.`) : [`${path}${name}`]
  })
}

const settingOf = (section: object, name: string): unknown => (section as Readonly<Record<string, unknown>>)[name]
const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
