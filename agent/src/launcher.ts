import {
  confirmedSlot,
  programOf,
  type ReleasePlaces,
  sinceBootMs,
  type Trial,
  trialAt,
} from './upkeep/release-slots.ts'

interface LaunchParts {
  readonly places: ReleasePlaces
  /** The command line, without node and program. */
  readonly words: readonly string[]
  /** Runs a program in this process; settles when it has run. */
  readonly load: (program: string) => Promise<unknown>
  /** Milliseconds since boot. */
  readonly nowMs?: () => number
}

/** How long after its lease a trial may still be confirmed, before it ends itself. */
const GRACE_MS = 10_000
const LOOK_MS = 1_000
/** A stop sends what is left; systemd gives it 30 s. */
const STOP_MS = 25_000

/** `/usr/bin/biotrakr`: runs the release in force, or for a service on trial the one that is tried. */
export async function launch({ places, words, load, nowMs = sinceBootMs }: LaunchParts): Promise<void> {
  const trial = words[0] === 'run' ? trialAt(places, nowMs()) : undefined
  const slot = trial?.slot ?? confirmedSlot(places)
  if (slot === undefined) throw new Error(`there is no whole release of BioTrakr in ${places.packaged}`)
  if (trial) endUnlessConfirmed(places, trial, nowMs)
  try {
    await load(programOf(slot))
  } catch (error) {
    if (slot.folder === places.packaged) throw error
    // A file of it is missing or damaged. Its package's release is whole.
    process.stderr.write(
      `biotrakr: release ${slot.version} cannot be loaded (${String(error)}); running the package's\n`,
    )
    await load(programOf({ folder: places.packaged }))
  }
}

/** The updater may have died: then nobody else would notice that this release was never found to be well. */
function endUnlessConfirmed(places: ReleasePlaces, { slot, untilMs }: Trial, nowMs: () => number): void {
  const look = setInterval(() => {
    if (confirmedSlot(places)?.folder === slot.folder) return clearInterval(look)
    if (nowMs() < untilMs + GRACE_MS) return undefined
    clearInterval(look)
    process.stderr.write(`biotrakr: nobody confirmed release ${slot.version}; the one before takes over\n`)
    process.kill(process.pid, 'SIGTERM')
    setTimeout(() => process.exit(1), STOP_MS).unref()
  }, LOOK_MS)
  look.unref()
}
