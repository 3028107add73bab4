import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterEach, describe, expect, it } from 'vitest'

import { layOut, makePlaces } from './updater.fixtures.ts'
import {
  beginTrial,
  confirm,
  confirmedSlot,
  programOf,
  type Slot,
  sinceBootMs,
  trialAt,
} from './upkeep/release-slots.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** Says which one it is, and runs on until it is told to stop, as an agent does. */
const runsOn = (version: string) =>
  `process.stdout.write('${version}\\n'); process.on('SIGTERM', () => process.exit(0)); setInterval(() => process.stdout.write('still here\\n'), 2_500)\n`

/** 0.1.0 from its package, and 0.2.0 unpacked beside it. */
function makeBox() {
  const places = makePlaces()
  folders.push(places.root)
  layOut(places.packaged, { version: '0.1.0', pins: '', program: runsOn('0.1.0') })
  const folder = join(places.updates, 'releases/0.2.0')
  layOut(folder, { version: '0.2.0', pins: '', program: runsOn('0.2.0') })
  const fresh: Slot = { ...(confirmedSlot(places) as Slot), folder, version: '0.2.0' }
  return { places, fresh }
}

function start(places: object, ...words: string[]) {
  const program = join(import.meta.dirname, 'launcher.child.ts')
  const flags = ['--import', 'tsx', '--conditions=biotrakr:source']
  const child = spawn(process.execPath, [...flags, program, JSON.stringify(places), ...words])
  const said = { out: '', err: '' }
  child.stdout.on('data', (part) => (said.out += String(part)))
  child.stderr.on('data', (part) => (said.err += String(part)))
  const ended = once(child, 'exit')
  const began = expect.poll(() => said.out, { timeout: 20_000 })
  return { child, said, ended, began }
}

describe('the launcher', () => {
  it('runs a release on trial for the service alone, and what is in force for every other command', async () => {
    const { places, fresh } = makeBox()
    beginTrial(places, { slot: fresh, untilMs: sinceBootMs() + 60_000 })
    for (const [words, version] of [
      [['run', '--config', 'x'], '0.2.0'],
      [['doctor'], '0.1.0'],
    ] as const) {
      const { child, ended, began } = start(places, ...words)
      await began.toContain(version)
      child.kill('SIGTERM')
      expect(await ended).toEqual([0, null])
    }
  }, 60_000)

  it('ends a release on trial that nobody confirms, and the next start is the one before', async () => {
    const { places, fresh } = makeBox()
    beginTrial(places, { slot: fresh, untilMs: sinceBootMs() + 60_000 })
    const { child, said, ended, began } = start(places, 'run')
    await began.toContain('0.2.0')
    child.stdin.write('75000\n')
    expect(await ended).toEqual([0, null])
    expect(said.err).toContain('nobody confirmed release 0.2.0; the one before takes over')
    expect(trialAt(places, sinceBootMs() + 75_000)).toBeUndefined()
    rmSync(places.trials, { recursive: true })
    const again = start(places, 'run')
    await again.began.toContain('0.1.0')
    again.child.kill('SIGTERM')
    await again.ended
  }, 60_000)

  it('lets a release run on that was confirmed in time', async () => {
    const { places, fresh } = makeBox()
    beginTrial(places, { slot: fresh, untilMs: sinceBootMs() + 60_000 })
    const { child, said, began, ended } = start(places, 'run')
    await began.toContain('0.2.0')
    confirm(places, fresh)
    child.stdin.write('75000\n')
    // It has looked once when it says so, and would have ended.
    await expect.poll(() => said.out, { timeout: 20_000 }).toContain('still here')
    child.kill('SIGTERM')
    await ended
    expect(said.err).toBe('')
  }, 60_000)

  it('runs the release of the package when the one in force cannot be loaded', async () => {
    const { places, fresh } = makeBox()
    confirm(places, fresh)
    writeFileSync(programOf(fresh), 'import "./missing.js"\n')
    const { child, said, began, ended } = start(places, 'run')
    await began.toContain('0.1.0')
    expect(said.err).toContain('release 0.2.0 cannot be loaded')
    child.kill('SIGTERM')
    await ended
  }, 60_000)
})
