import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'

import { type Account, canReach } from './account.ts'

/** Everything that a start leaves for the next one. */
export interface DataFolder {
  readonly path: string
  /** Parent of what PostgreSQL and the broker keep: the data folder itself, or a place that their account can reach. */
  readonly serverPath: string
  /** Absolute path of a file or folder in the data folder. */
  at(...parts: string[]): string
  /** A random password in a file of its own, made on first use; 43 characters. */
  password(name: string): Password
  /** Writes a file whole or not at all, mode 0600 unless told otherwise. */
  write(name: string, text: string): string
  memory: Memory
}

export interface Password {
  readonly file: string
  readonly text: string
}

/** Small facts that one run tells the next. */
interface Memory {
  get(key: string): number | undefined
  set(key: string, value: number): void
}

/**
 * Opens or makes a data folder.
 * @param account who the servers run as; undefined = this process's own user
 */
export function openDataFolder(folder: string, account: Account | undefined): DataFolder {
  const path = resolve(folder)
  // Another account must pass through to its own folders; what lies beside them is closed by its own mode.
  makeFolder(path, account ? 0o711 : 0o700)
  for (const part of ['config', 'log', 'run', 'secrets']) makeFolder(join(path, part), 0o700)
  const at = (...parts: string[]) => join(path, ...parts)
  return {
    path,
    serverPath: account ? reachablePlace(path, account) : path,
    at,
    password: (name) => keepPassword(at('secrets', `${name}.password`)),
    write: (name, text) => {
      replaceFile(at(name), text)
      return at(name)
    },
    memory: createMemory(at('memory.json')),
  }
}

/** Makes a folder below the servers' place and gives it to the account that uses it alone. */
export function makeServerFolder(path: string, account: Account | undefined): string {
  makeFolder(path, 0o700)
  if (account) chownSync(path, account.uid, account.gid)
  return path
}

/**
 * A clone in root's home cannot be reached by any other account. Its servers then keep their files in a folder below
 * /var/tmp (which outlives a reboot) whose name follows from the data folder's path, and a note says so.
 */
function reachablePlace(path: string, account: Account): string {
  const note = join(path, 'WHERE-THE-DATABASE-IS.txt')
  // Once there, the database stays there, even if the folder has been opened since.
  if (!existsSync(note) && canReach(account, path)) return path
  const parent = existsSync('/var/tmp') ? '/var/tmp' : tmpdir()
  const hash = createHash('sha256').update(path).digest('hex').slice(0, 16)
  const place = join(parent, `biotrakr-${hash}`)
  makeFolder(place, 0o711)
  const found = lstatSync(place)
  if (!found.isDirectory() || found.uid !== process.getuid?.() || !canReach(account, place)) {
    throw new BioTrakrError(`${place} belongs to somebody else or cannot be reached by ${account.name}`, {
      code: 'CHILD_FAILED',
      next: 'Remove it, or choose a data folder with --data that other accounts can reach, such as /srv/biotrakr.',
    })
  }
  replaceFile(note, `The account ${account.name} could not reach this folder: database and broker live in\n${place}\n`)
  return place
}

function makeFolder(path: string, mode: number): void {
  mkdirSync(path, { recursive: true, mode })
  if (lstatSync(path).uid === process.getuid?.()) chmodSync(path, mode)
}

function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true })
  renameSync(`${path}.new`, path)
}

function keepPassword(file: string): Password {
  if (!existsSync(file)) replaceFile(file, `${randomBytes(32).toString('base64url')}\n`)
  return { file, text: readFileSync(file, 'utf8').trim() }
}

function createMemory(file: string): Memory {
  const facts = readFacts(file)
  return {
    get: (key) => facts.get(key),
    set: (key, value) => {
      if (facts.get(key) === value) return
      facts.set(key, value)
      replaceFile(file, `${JSON.stringify(Object.fromEntries(facts), undefined, 2)}\n`)
    },
  }
}

/** A damaged memory is as good as none: it only holds preferences. */
function readFacts(file: string): Map<string, number> {
  try {
    const entries = Object.entries(JSON.parse(readFileSync(file, 'utf8')) as object)
    return new Map(entries.filter((entry): entry is [string, number] => Number.isFinite(entry[1])))
  } catch {
    return new Map()
  }
}
