import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'

/**
 * Where releases lie on a gateway. The one of the Debian package is always whole, by dpkg's care; `biotrakr update` puts
 * others beside it. A release is in force once the link `current` names it, and on trial while a lease says so. The lease
 * ends with its time and with the machine's boot, so whatever dies half-way, the release that last worked runs again.
 *
 * Only Node's own modules are used here: the launcher decides before anything else is loaded.
 */
export interface ReleasePlaces {
  /** Release of the Debian package: /usr/lib/biotrakr. */
  readonly packaged: string
  /** Releases brought by updates: /opt/biotrakr. */
  readonly updates: string
  /** In memory, gone with the next boot: /run/biotrakr-update. */
  readonly trials: string
}

/** A release on disk, as its own release.json says. */
export interface Slot {
  readonly folder: string
  readonly version: string
  readonly counter: number
  readonly storeSchemas: { readonly reads: number; readonly writes: number }
}

export interface Trial {
  readonly slot: Slot
  /** On the machine's monotonic clock, which begins at its boot. */
  readonly untilMs: number
}

export function installedPlaces(packaged: string): ReleasePlaces {
  return { packaged, updates: '/opt/biotrakr', trials: '/run/biotrakr-update' }
}

/** Makes the folders so that the agent, which is not root, finds its release in them. */
export function openPlaces({ updates, trials }: ReleasePlaces): void {
  for (const folder of [updates, join(updates, 'releases'), trials]) {
    mkdirSync(folder, { recursive: true })
    chmodSync(folder, 0o755)
  }
}

/** Milliseconds since boot, the same for all processes of the machine. */
export function sinceBootMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n)
}

export const releasesFolder = ({ updates }: ReleasePlaces) => join(updates, 'releases')
export const programOf = ({ folder }: Pick<Slot, 'folder'>) => join(folder, 'agent/dist/main.js')
const currentLink = ({ updates }: ReleasePlaces) => join(updates, 'current')
const trialFile = ({ trials }: ReleasePlaces) => join(trials, 'trial.json')

/** @returns undefined when there is no whole release in the folder */
export function readSlot(folder: string): Slot | undefined {
  const said = readJson(join(folder, 'release.json')) as Partial<Slot> | undefined
  const { version, counter, storeSchemas } = said ?? {}
  if (typeof version !== 'string' || typeof counter !== 'number' || !storeSchemas) return undefined
  return existsSync(programOf({ folder })) ? { folder, version, counter, storeSchemas } : undefined
}

/** The release in force: that of the package, unless an update brought a newer one. */
export function confirmedSlot(places: ReleasePlaces): Slot | undefined {
  const packaged = readSlot(places.packaged)
  const updated = updatedSlot(places)
  if (packaged === undefined || updated === undefined) return packaged ?? updated
  return updated.counter > packaged.counter ? updated : packaged
}

function updatedSlot(places: ReleasePlaces): Slot | undefined {
  const link = currentLink(places)
  try {
    return readSlot(join(dirname(link), readlinkSync(link)))
  } catch {
    return undefined
  }
}

/** @returns undefined once the lease is over */
export function trialAt(places: ReleasePlaces, nowMs: number): Trial | undefined {
  const said = readJson(trialFile(places)) as { readonly version?: unknown; readonly untilMs?: unknown } | undefined
  if (typeof said?.version !== 'string' || typeof said.untilMs !== 'number' || nowMs >= said.untilMs) return undefined
  const slot = readSlot(join(releasesFolder(places), basename(said.version)))
  return slot && { slot, untilMs: said.untilMs }
}

/** Lends the agent to a release. Another service start within the time runs it. */
export function beginTrial(places: ReleasePlaces, { slot, untilMs }: Trial): void {
  mkdirSync(places.trials, { recursive: true, mode: 0o755 })
  writeWhole(trialFile(places), JSON.stringify({ version: slot.version, untilMs }))
}

export function endTrial(places: ReleasePlaces): void {
  rmSync(trialFile(places), { force: true })
}

/** Puts a release into force, durably and in one step. */
export function confirm(places: ReleasePlaces, { folder }: Slot): void {
  const link = currentLink(places)
  const fresh = `${link}.new`
  rmSync(fresh, { force: true })
  symlinkSync(join('releases', basename(folder)), fresh)
  renameSync(fresh, link)
  syncFolder(places.updates)
}

/** Removes what neither runs nor would be gone back to. */
export function prune(places: ReleasePlaces, keep: readonly Slot[]): void {
  const kept = new Set(keep.map(({ folder }) => basename(folder)))
  const root = releasesFolder(places)
  if (!existsSync(root)) return
  for (const name of readdirSync(root)) {
    if (!kept.has(name)) rmSync(join(root, name), { recursive: true, force: true })
  }
}

/** Writes a file so that after a power cut it is the old or the new one. */
function writeWhole(file: string, text: string): void {
  const fresh = `${file}.new`
  const handle = openSync(fresh, 'w', 0o644)
  try {
    writeSync(handle, text)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(fresh, file)
  syncFolder(dirname(file))
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
