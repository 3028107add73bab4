import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { BioTrakrError, type Clock, explainError, type Release } from '@biotrakr/shared'

import {
  beginTrial,
  confirm,
  confirmedSlot,
  endTrial,
  programOf,
  prune,
  type ReleasePlaces,
  readSlot,
  releasesFolder,
  type Slot,
  sinceBootMs,
} from './upkeep/release-slots.ts'

export { installedPlaces, openPlaces, type ReleasePlaces, type Slot } from './upkeep/release-slots.ts'

const run = promisify(execFile)

/** What a running agent says of itself. */
export interface SeenHealth {
  readonly version: string
  /** Codes of what needs a person. */
  readonly problems: readonly string[]
}

/** A release whose signature and fitness were checked, its package in a file. */
export interface Obtained {
  readonly release: Release
  readonly file: string
}

export interface UpdateParts {
  readonly places: ReleasePlaces
  readonly clock: Clock
  /** Starts the agent anew through the launcher, as the service manager does. */
  readonly restart: () => Promise<void>
  /** @returns undefined while no agent answers */
  readonly health: () => Promise<SeenHealth | undefined>
  /** @returns undefined when the present release is the newest */
  readonly obtain: (present: Slot) => Promise<Obtained | undefined>
  readonly tell: (line: string) => void
  /** True once somebody wants the update to end: it then goes back. */
  readonly isStopped?: () => boolean
  /** Called before each step, by its name. */
  readonly step?: (name: UpdateStep) => void
}

export type UpdateStep = 'obtain' | 'unpack' | 'move' | 'lend' | 'restart' | 'watch' | 'confirm' | 'prune' | 'back'

/** How long a new release may take until its health is as good as that of the one before. */
const HEALTH_LIMIT_MS = 120_000
const LOOK_MS = 2_000
/** In a row: a process that starts well and then falls over is not well. */
const GOOD_LOOKS = 5
/** The lease outlives the watch by what a restart may take. */
const LEASE_MS = HEALTH_LIMIT_MS + 30_000

export interface Updated {
  readonly from: string
  /** The same as `from` when there was nothing newer. */
  readonly to: string
}

/**
 * Brings the newest release, tries it, and keeps it or goes back.
 * @throws BioTrakrError RELEASE_UNHEALTHY after it went back; whatever `obtain` throws, with nothing changed
 */
export async function update(parts: UpdateParts): Promise<Updated> {
  const { places, tell, step } = parts
  const present = confirmedSlot(places)
  if (!present) {
    throw new BioTrakrError(`There is no installed release in ${places.packaged}`, {
      code: 'RELEASE_REFUSED',
      next: 'Updates are for gateways that were installed from the Debian package.',
    })
  }
  step?.('obtain')
  const obtained = await parts.obtain(present)
  if (!obtained) return { from: present.version, to: present.version }
  const fresh = await unpack(obtained, parts)
  tell(`trying ${fresh.version}; ${present.version} comes back by itself if its health does not`)
  const trouble = await tryOut(fresh, parts).catch((error: unknown) => explainError(error))
  if (trouble !== undefined) {
    await goBack(fresh, present, parts)
    throw new BioTrakrError(`Release ${fresh.version} was not well: ${trouble}`, {
      code: 'RELEASE_UNHEALTHY',
      next: `${present.version} runs again. See the log of the service: journalctl -u biotrakr-agent`,
    })
  }
  step?.('confirm')
  confirm(places, fresh)
  endTrial(places)
  step?.('prune')
  prune(places, [fresh, present])
  rmSync(obtained.file, { force: true })
  return { from: present.version, to: fresh.version }
}

/** Lays a package out beside the others. It has its name only once it is whole and on the disk. */
async function unpack({ release, file }: Obtained, { places, step }: UpdateParts): Promise<Slot> {
  const root = releasesFolder(places)
  const folder = join(root, release.version)
  const half = join(root, '.unpacking')
  step?.('unpack')
  mkdirSync(half, { recursive: true, mode: 0o755 })
  rmSync(half, { recursive: true })
  await run('dpkg-deb', ['--extract', file, half])
  const inner = join(half, 'usr/lib/biotrakr')
  const found = readSlot(inner)
  if (found?.version !== release.version || found.counter !== release.counter) {
    rmSync(half, { recursive: true, force: true })
    throw new BioTrakrError(`The package of ${release.version} holds ${found?.version ?? 'no whole release'}`, {
      code: 'RELEASE_REFUSED',
      next: 'Nothing was changed. Build the release again.',
    })
  }
  // Of the util-linux of Debian: everything of that file system is on the disk when it returns.
  await run('sync', ['--file-system', half])
  step?.('move')
  if (existsSync(folder)) rmSync(folder, { recursive: true })
  renameSync(inner, folder)
  rmSync(half, { recursive: true, force: true })
  return { ...found, folder }
}

/** @returns what is wrong with it, undefined when it is well */
async function tryOut(fresh: Slot, parts: UpdateParts): Promise<string | undefined> {
  const { places, step } = parts
  const before = await parts.health()
  const failure = await startsAt(fresh)
  if (failure !== undefined) return failure
  step?.('lend')
  beginTrial(places, { slot: fresh, untilMs: sinceBootMs() + LEASE_MS })
  step?.('restart')
  await parts.restart()
  step?.('watch')
  return await watch(fresh, before, parts)
}

/** A program that cannot even say its version is not lent the agent. */
async function startsAt(fresh: Slot): Promise<string | undefined> {
  try {
    const { stdout } = await run(process.execPath, [programOf(fresh), '--version'], { timeout: 30_000 })
    return stdout.trim() === fresh.version ? undefined : `it calls itself ${stdout.trim().slice(0, 40)}`
  } catch (error) {
    return `it does not start (${error instanceof Error ? error.message.slice(0, 200) : 'unknown'})`
  }
}

/** As well as the one before: what troubled that one may trouble this one. */
async function watch(
  fresh: Slot,
  before: SeenHealth | undefined,
  { clock, health, isStopped }: UpdateParts,
): Promise<string | undefined> {
  const deadline = clock.monoMs() + HEALTH_LIMIT_MS
  const known = new Set(before?.problems)
  let good = 0
  let last = 'it does not answer'
  while (good < GOOD_LOOKS) {
    if (isStopped?.()) return 'it was stopped'
    if (clock.monoMs() >= deadline) return last
    await pause(clock, LOOK_MS)
    const seen = await health()
    const fault = faultOf(seen, { version: fresh.version, known })
    good = fault === undefined ? good + 1 : 0
    if (fault !== undefined) last = fault
  }
  return undefined
}

function faultOf(
  seen: SeenHealth | undefined,
  { version, known }: { readonly version: string; readonly known: ReadonlySet<string> },
): string | undefined {
  if (!seen) return 'it does not answer'
  if (seen.version !== version) return `${seen.version} answers in its place`
  const fresh = seen.problems.filter((code) => !known.has(code))
  return fresh.length === 0 ? undefined : `it has a problem that was not there before: ${fresh.join(', ')}`
}

async function goBack(fresh: Slot, present: Slot, { places, restart, step, tell }: UpdateParts): Promise<void> {
  step?.('back')
  endTrial(places)
  tell(`going back to ${present.version}`)
  await restart()
  rmSync(fresh.folder, { recursive: true, force: true })
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve))
}
