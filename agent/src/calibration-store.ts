import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { BioTrakrError, parseWhole } from '@biotrakr/shared'
import { z } from 'zod'

import { type Calibration, calibrationSchema, FORMAT, hashOf, time, words } from './calibration-format.ts'
import { writeWhole } from './whole-file.ts'

/** Of new files: the owner writes, its group reads. */
const MODE = 0o640

/** One line of the list of versions. */
interface VersionLine {
  readonly version: number
  readonly atMs: number
  readonly by: string
  readonly note: string
  readonly hash: string
  readonly rooms: number
  readonly places: number
  readonly isCurrent: boolean
}

interface NewCalibration extends Pick<Calibration, 'places' | 'survey' | 'mapVersion' | 'by' | 'note' | 'atMs'> {
  readonly parent: number | null
}

/** The versions of a calibration in one folder. Nothing is ever overwritten; which one counts is a file of its own. */
export interface CalibrationStore {
  readonly dir: string
  /** Newest last. */
  list(): VersionLine[]
  /** The version that counts; undefined when there is none. */
  current(): Calibration | undefined
  /** @throws BioTrakrError NOT_FOUND or CALIBRATION_INVALID */
  load(version: number): Calibration
  /** Writes the next version and makes it count. */
  add(calibration: NewCalibration): Calibration
  /** Makes a version count. @throws BioTrakrError NOT_FOUND or CALIBRATION_INVALID */
  use(version: number, why: { readonly by: string; readonly note: string; readonly atMs: number }): Calibration
}

/** A survey of 500 rooms is a tenth of this. */
const MAX_BYTES = 256 * 1024 * 1024
const FILE = /^v(\d{4,7})\.json$/
const CURRENT = 'current.json'

const currentSchema = z.strictObject({
  version: z.int().min(1),
  sinceMs: time,
  by: words,
  note: words,
})

export function openCalibrations(dir: string): CalibrationStore {
  const fileOf = (version: number): string => join(dir, `v${String(version).padStart(4, '0')}.json`)
  const versions = (): number[] =>
    (existsSync(dir) ? readdirSync(dir) : [])
      .flatMap((name) => FILE.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b)
  const pointed = (): number | undefined => readPointer(join(dir, CURRENT))
  const load = (version: number): Calibration => {
    const file = fileOf(version)
    if (existsSync(file)) return readCalibration(file)
    const known = versions()
    throw new BioTrakrError(`${dir} has no version ${version} of the calibration`, {
      code: 'NOT_FOUND',
      next: known.length > 0 ? `It has ${known.join(', ')}.` : 'It is empty: run biotrakr calibrate survey, then fit.',
    })
  }
  const point = (version: number, { by, note, atMs }: { by: string; note: string; atMs: number }): void =>
    writeWhole(join(dir, CURRENT), `${JSON.stringify({ version, sinceMs: atMs, by, note })}\n`, MODE)
  return {
    dir,
    load,
    list() {
      const now = pointed()
      return versions().map((version) => ({ ...lineOf(version, load), isCurrent: version === now }))
    },
    current() {
      const version = pointed()
      return version === undefined ? undefined : load(version)
    },
    add(made) {
      mkdirSync(dir, { recursive: true, mode: 0o750 })
      const version = (versions().at(-1) ?? 0) + 1
      const { places, survey, mapVersion, by, note, atMs, parent } = made
      const hash = hashOf(made)
      const whole: Calibration = { format: FORMAT, version, hash, parent, atMs, by, note, mapVersion, places, survey }
      writeWhole(fileOf(version), `${JSON.stringify(whole)}\n`, MODE)
      point(version, { by, note, atMs })
      return whole
    },
    use(version, why) {
      const whole = load(version)
      point(version, why)
      return whole
    },
  }
}

function lineOf(version: number, load: (version: number) => Calibration): Omit<VersionLine, 'isCurrent'> {
  try {
    const { atMs, by, note, hash, places } = load(version)
    const rooms = new Set(places.map(({ room }) => room)).size
    return { version, atMs, by, note, hash, rooms, places: places.length }
  } catch (error) {
    if (!(error instanceof BioTrakrError)) throw error
    return { version, atMs: 0, by: '?', note: `damaged: ${error.message}`, hash: '', rooms: 0, places: 0 }
  }
}

const NEXT = 'Take another version with biotrakr calibrate rollback, or import one.'

function readPointer(file: string): number | undefined {
  if (!existsSync(file)) return undefined
  const value = parsed(readFileSync(file, 'utf8'), file)
  return parseWhole(currentSchema, value, { origin: file, code: 'CALIBRATION_INVALID', next: NEXT }).version
}

/**
 * Reads a calibration, checks its form and that its content is the one it was written with.
 * @throws BioTrakrError CALIBRATION_INVALID
 */
export function readCalibration(file: string): Calibration {
  const value = parsed(readText(file), file)
  if (typeof value !== 'object' || value === null || !('format' in value)) {
    throw new BioTrakrError(`${file} is no calibration`, {
      code: 'CALIBRATION_INVALID',
      next: 'Give a file that biotrakr calibrate export has written.',
    })
  }
  const calibration = parseWhole(calibrationSchema, value, { origin: file, code: 'CALIBRATION_INVALID', next: NEXT })
  // Of what was read, not of what a newer version of this program makes of it.
  if (hashOf(value as Calibration) === calibration.hash) return calibration
  throw new BioTrakrError(`${file} was changed after it was written: its content does not fit its hash`, {
    code: 'CALIBRATION_INVALID',
    next: NEXT,
  })
}

function readText(file: string): string {
  try {
    if (statSync(file).size <= MAX_BYTES) return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new BioTrakrError(`cannot read ${file}`, {
      code: 'CALIBRATION_INVALID',
      next: 'Check the path and who may read it.',
      cause,
    })
  }
  throw new BioTrakrError(`${file} is larger than a calibration can be`, { code: 'CALIBRATION_INVALID', next: NEXT })
}

function parsed(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new BioTrakrError(`${file} is no JSON, or was cut off`, { code: 'CALIBRATION_INVALID', next: NEXT, cause })
  }
}

/** Writes a calibration to any file. @throws BioTrakrError USAGE when it cannot be written */
export function writeCalibration(file: string, calibration: Calibration): void {
  try {
    writeWhole(file, `${JSON.stringify(calibration)}\n`, MODE)
  } catch (cause) {
    throw new BioTrakrError(`cannot write ${file}`, { code: 'USAGE', next: 'Name another file.', cause })
  }
}
