import { readFileSync } from 'node:fs'

/**
 * `npm run licenses`: the licences of every npm package that the lock file names, and whether each is one that may be used.
 * Ends with exit code 1 when one is neither allowed nor explained. Sources: the `license` of each package as published.
 */
interface LockedPackage {
  readonly version?: string
  readonly license?: string
  /** Needed for building and testing only. */
  readonly dev?: boolean
  /** The same, and an optional peer of something that is shipped. */
  readonly devOptional?: boolean
  readonly link?: boolean
}

/** They ask for their notice and nothing else; any one of an alternative will do. */
const ALLOWED = new Set([
  ...['MIT', 'Apache-2.0', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0', 'Unlicense', 'Python-2.0'],
  ...['Public Domain', 'CC0-1.0', 'Zlib'],
])

/** Others, by licence: why they may be there, and whether they may be part of what is shipped. */
const EXPLAINED: Readonly<Record<string, { readonly why: string; readonly isShipped: boolean }>> = {
  'MPL-2.0': {
    why: 'copyleft of its own files only; used unchanged, by tools of development (lightningcss of the test runner)',
    isShipped: false,
  },
  'EPL-2.0': { why: "part of Prisma's command line, which draws schemas with it", isShipped: false },
  'CC-BY-4.0': { why: 'data of tools of development', isShipped: false },
}

function isAllowed(license: string): boolean {
  const parts = license.replaceAll(/[()]/g, '').split(/ (OR|AND|and) /)
  const names = parts.filter((part) => !['OR', 'AND', 'and'].includes(part))
  return license.includes(' OR ') ? names.some((name) => ALLOWED.has(name)) : names.every((name) => ALLOWED.has(name))
}

const lock = JSON.parse(readFileSync(new URL('package-lock.json', import.meta.url), 'utf8')) as {
  readonly packages: Readonly<Record<string, LockedPackage>>
}
const packages = Object.entries(lock.packages).filter(([path, { link }]) => path.includes('node_modules/') && !link)
const counts = new Map<string, number>()
const problems: string[] = []
for (const [path, { license = 'none', version, dev = false, devOptional = false }] of packages) {
  counts.set(license, (counts.get(license) ?? 0) + 1)
  const explained = EXPLAINED[license]
  if (isAllowed(license) || (explained && (dev || devOptional || explained.isShipped))) continue
  problems.push(
    `${path.replace(/^.*node_modules\//, '')} ${version}: ${license}${dev || devOptional ? '' : ' (shipped)'}`,
  )
}
for (const [license, count] of [...counts].sort((a, b) => b[1] - a[1])) {
  const why = EXPLAINED[license]?.why
  process.stdout.write(`${String(count).padStart(5)}  ${license}${why ? `: ${why}` : ''}\n`)
}
for (const problem of problems) process.stderr.write(`not allowed and not explained: ${problem}\n`)
if (problems.length > 0) process.exitCode = 1
