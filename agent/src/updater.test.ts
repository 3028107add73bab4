import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { BioTrakrError, RELEASE_FILE } from '@biotrakr/shared'
import { afterAll, describe, expect, it } from 'vitest'

import { obtainFromFolder } from './release-source.ts'
import { hastyClock, layOut, makeKey, makePlaces, makeRelease } from './updater.fixtures.ts'
import { type SeenHealth, type Slot, type UpdateStep, update } from './updater.ts'
import { beginTrial, confirmedSlot, programOf, readSlot, sinceBootMs, trialAt } from './upkeep/release-slots.ts'

const isRequired = process.env['BIOTRAKR_REQUIRE_ALL'] === '1'
const hasDpkg = spawnSync('dpkg-deb', ['--version']).status === 0
const itWithDpkg = it.skipIf(!hasDpkg && !isRequired)
const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const key = makeKey()

interface BoxOptions {
  readonly healthOf?: (slot: Slot) => SeenHealth | undefined
}

/** A gateway with 0.1.0 from its package, whose agent is whatever the launcher would run. */
function makeBox({ healthOf = ({ version }) => ({ version, problems: [] }) }: BoxOptions = {}) {
  const places = makePlaces()
  folders.push(places.root)
  layOut(places.packaged, { version: '0.1.0', pins: key.pem })
  let running: Slot | undefined = confirmedSlot(places)
  const starts: string[] = []
  const clock = hastyClock()
  return {
    places,
    starts,
    clock,
    running: () => running?.version,
    bring: (folder: string) =>
      update({
        places,
        clock,
        tell: () => undefined,
        restart: async () => {
          running = trialAt(places, sinceBootMs())?.slot ?? confirmedSlot(places)
          starts.push(running?.version ?? 'none')
        },
        health: async () => running && healthOf(running),
        obtain: async (present) => obtainFromFolder(folder, { places, present }),
      }),
  }
}

function releaseOf(...made: Parameters<typeof makeRelease>): string {
  const folder = makeRelease(...made)
  folders.push(folder)
  return folder
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(() => undefined).catch((caught: unknown) => caught)
  return error instanceof BioTrakrError ? error.code : String(error)
}

describe('update (SKIPPED without dpkg-deb)', () => {
  itWithDpkg('puts a well release into force, beside the one before, and knows it the next time', async () => {
    const box = makeBox()
    const folder = releaseOf({ version: '0.2.0', pins: key.pem }, key)
    expect(await box.bring(folder)).toEqual({ from: '0.1.0', to: '0.2.0' })
    expect(confirmedSlot(box.places)?.version).toBe('0.2.0')
    expect(readSlot(box.places.packaged)?.version).toBe('0.1.0')
    expect(box.running()).toBe('0.2.0')
    expect(trialAt(box.places, sinceBootMs())).toBeUndefined()
    expect(await box.bring(folder)).toEqual({ from: '0.2.0', to: '0.2.0' })
    expect(box.starts).toEqual(['0.2.0'])
  })

  itWithDpkg('keeps the release before last no longer than needed', async () => {
    const box = makeBox()
    for (const version of ['0.2.0', '0.3.0', '0.4.0']) await box.bring(releaseOf({ version, pins: key.pem }, key))
    expect(readdirSync(join(box.places.updates, 'releases')).sort()).toEqual(['0.3.0', '0.4.0'])
    expect(readdirSync(join(box.places.updates, 'downloads'))).toEqual([])
  })

  const sick: Readonly<Record<string, (slot: Slot) => SeenHealth | undefined>> = {
    'never answers': ({ version }) => (version === '0.1.0' ? { version, problems: [] } : undefined),
    'has a problem that was not there': ({ version }) => ({
      version,
      problems: version === '0.1.0' ? ['CLOCK_WRONG'] : ['CLOCK_WRONG', 'OUTBOX_OPEN'],
    }),
    'is another than it should be': () => ({ version: '0.1.0', problems: [] }),
  }
  for (const [what, healthOf] of Object.entries(sick)) {
    itWithDpkg(`goes back within two minutes when the new release ${what}`, async () => {
      const box = makeBox({ healthOf })
      const folder = releaseOf({ version: '0.2.0', pins: key.pem }, key)
      expect(await codeOf(box.bring(folder))).toBe('RELEASE_UNHEALTHY')
      expect(box.starts).toEqual(['0.2.0', '0.1.0'])
      expect(box.running()).toBe('0.1.0')
      expect(confirmedSlot(box.places)?.version).toBe('0.1.0')
      expect(box.clock.monoMs()).toBeLessThanOrEqual(122_000)
    })
  }

  itWithDpkg('takes a release with the troubles that were there before', async () => {
    const box = makeBox({ healthOf: ({ version }) => ({ version, problems: ['SOURCE_FAILED'] }) })
    expect(await box.bring(releaseOf({ version: '0.2.0', pins: key.pem }, key))).toMatchObject({ to: '0.2.0' })
  })

  itWithDpkg('never lends the agent to a program that does not start', async () => {
    const box = makeBox()
    const folder = releaseOf({ version: '0.2.0', pins: key.pem, program: 'throw new Error("no")' }, key)
    expect(await codeOf(box.bring(folder))).toBe('RELEASE_UNHEALTHY')
    expect(box.starts).toEqual(['0.1.0'])
  })

  itWithDpkg('refuses a foreign signature, an older release, a changed package and a one-way store', async () => {
    const box = makeBox()
    const rogue = releaseOf({ version: '0.2.0', pins: key.pem }, makeKey())
    expect(await codeOf(box.bring(rogue))).toBe('RELEASE_REFUSED')
    expect(await codeOf(box.bring(releaseOf({ version: '0.0.9', pins: key.pem }, key)))).toBe('RELEASE_REFUSED')
    const older = releaseOf({ version: '0.2.0', pins: key.pem }, key, { counter: 5 })
    expect(await codeOf(box.bring(older))).toBe('RELEASE_REFUSED')
    const changed = releaseOf({ version: '0.2.0', pins: key.pem }, key)
    for (const name of readdirSync(changed)) if (name.endsWith('.deb')) writeFileSync(join(changed, name), 'other')
    expect(await codeOf(box.bring(changed))).toBe('RELEASE_REFUSED')
    const oneWay = releaseOf({ version: '0.2.0', pins: key.pem, storeSchemas: { reads: 3, writes: 3 } }, key)
    expect(await codeOf(box.bring(oneWay))).toBe('RELEASE_REFUSED')
    const wrongInside = releaseOf({ version: '0.2.0', pins: key.pem }, key, { version: '0.3.0' })
    expect(await codeOf(box.bring(wrongInside))).toBe('RELEASE_REFUSED')
    expect(box.starts).toEqual([])
    expect(box.running()).toBe('0.1.0')
  })

  itWithDpkg('refuses a document that was changed after it was signed, and one when no key is pinned', async () => {
    const box = makeBox()
    const folder = releaseOf({ version: '0.2.0', pins: key.pem }, key)
    writeFileSync(join(folder, RELEASE_FILE), '{}')
    expect(await codeOf(box.bring(folder))).toBe('RELEASE_REFUSED')
    layOut(box.places.packaged, { version: '0.1.0', pins: '' })
    expect(await codeOf(box.bring(releaseOf({ version: '0.2.0', pins: key.pem }, key)))).toBe('RELEASE_REFUSED')
  })

  itWithDpkg('follows a change of keys that a release brings', async () => {
    const box = makeBox()
    const next = makeKey()
    await box.bring(releaseOf({ version: '0.2.0', pins: next.pem }, key))
    expect(await codeOf(box.bring(releaseOf({ version: '0.3.0', pins: next.pem }, key)))).toBe('RELEASE_REFUSED')
    expect(await box.bring(releaseOf({ version: '0.3.0', pins: next.pem }, next))).toMatchObject({ to: '0.3.0' })
  })
})

/** What a box does that starts its service after an update was killed. */
function serviceVersion(places: ReturnType<typeof makePlaces>, nowMs: number): string {
  const slot = trialAt(places, nowMs)?.slot ?? confirmedSlot(places)
  return slot ? execFileSync(process.execPath, [programOf(slot)], { encoding: 'utf8' }).trim() : 'none'
}

describe('an update that is killed (SKIPPED without dpkg-deb)', () => {
  const steps: readonly UpdateStep[] = ['obtain', 'unpack', 'move', 'lend', 'restart', 'watch', 'confirm', 'prune']
  const program = join(import.meta.dirname, 'updater.child.ts')
  const run = (places: object, ...words: string[]) =>
    spawnSync(
      process.execPath,
      ['--import', 'tsx', '--conditions=biotrakr:source', program, JSON.stringify(places), ...words],
      { encoding: 'utf8' },
    )

  itWithDpkg(
    'leaves a version that works before every step, and the next attempt ends well',
    { timeout: 180_000 },
    async () => {
      const folder = releaseOf({ version: '0.2.0', pins: key.pem }, key)
      for (const step of steps) {
        const { places, bring } = makeBox()
        expect(run(places, folder, step).signal, step).toBe('SIGKILL')
        const isLent = step === 'restart' || step === 'watch' || step === 'confirm'
        const after = step === 'prune' ? '0.2.0' : '0.1.0'
        expect(serviceVersion(places, sinceBootMs()), step).toBe(isLent ? '0.2.0' : after)
        // Ten minutes later the lease is over; after a power cut the folder in memory is gone.
        expect(serviceVersion(places, sinceBootMs() + 600_000), step).toBe(after)
        rmSync(places.trials, { recursive: true, force: true })
        expect(serviceVersion(places, sinceBootMs()), step).toBe(after)
        expect(await bring(folder), step).toMatchObject({ to: '0.2.0' })
        expect(serviceVersion(places, sinceBootMs() + 600_000), step).toBe('0.2.0')
      }
    },
  )

  itWithDpkg('leaves the old version when it dies while it goes back', { timeout: 60_000 }, () => {
    const folder = releaseOf({ version: '0.2.0', pins: key.pem }, key)
    const { places } = makeBox()
    expect(run(places, folder, 'back', 'bad').signal).toBe('SIGKILL')
    expect(serviceVersion(places, sinceBootMs() + 600_000)).toBe('0.1.0')
  })
})

describe('slots', () => {
  it('a newer Debian package wins over an older update, and a damaged update over nothing', () => {
    const { places } = makeBox()
    const folder = join(places.updates, 'releases/0.2.0')
    layOut(folder, { version: '0.2.0', pins: '' })
    execFileSync('ln', ['-s', 'releases/0.2.0', join(places.updates, 'current')])
    expect(confirmedSlot(places)?.version).toBe('0.2.0')
    layOut(places.packaged, { version: '0.3.0', pins: '' })
    expect(confirmedSlot(places)?.version).toBe('0.3.0')
    layOut(places.packaged, { version: '0.1.0', pins: '' })
    rmSync(programOf({ folder }))
    expect(confirmedSlot(places)?.version).toBe('0.1.0')
  })

  it('a lease names a release, never a path', () => {
    const { places } = makeBox()
    mkdirSync(join(places.updates, 'releases'), { recursive: true })
    layOut(join(places.root, 'elsewhere'), { version: '9.9.9', pins: '' })
    const slot = { ...(confirmedSlot(places) as Slot), version: '../../elsewhere' }
    beginTrial(places, { slot, untilMs: sinceBootMs() + 60_000 })
    expect(existsSync(join(places.trials, 'trial.json'))).toBe(true)
    expect(trialAt(places, sinceBootMs())).toBeUndefined()
  })
})
