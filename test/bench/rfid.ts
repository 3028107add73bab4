import { spawnSync } from 'node:child_process'

import { openProfiles } from '@biotrakr/agent'
import type { Driver } from '@biotrakr/firmware-profiles'

import { type Figure, median } from './figure.ts'
import { createOurs, createTheirs, FRAMES, type Load, type Take, tagLoad } from './rfid-load.ts'

const WARM_UP_ROUNDS = 3
const ROUNDS = 15
/** Passes of ours for one of theirs, so that a round takes both about as long and each collects its own garbage. */
const PASSES = 6
/** Tags of a ward. They come again and again, so that their names are remembered. */
const WARD_TAGS = 500

/**
 * Each profile in a process of its own: a gateway runs one reader or a few of a kind, and what V8 learns from 19 protocols
 * one after the other it would not meet there.
 */
export function benchRfid(say: (text: string) => void): Figure[] {
  const store = openProfiles()
  return store.ids
    .filter((id) => !store.isBuiltIn(id))
    .flatMap((id) => {
      say(id)
      return measureApart(id)
    })
}

function measureApart(id: string): Figure[] {
  const [, script = ''] = process.argv
  const words = [...process.execArgv, script, '--json', `rfid:${id}`]
  const { stdout, stderr, error } = spawnSync(process.execPath, words, { encoding: 'utf8' })
  if (stdout === '') throw new Error(`the measurement of ${id} ended without a figure: ${stderr}`, { cause: error })
  return (JSON.parse(stdout) as { figures: Figure[] }).figures
}

/**
 * Tag frames of one profile through framing, checks and decoding to readings: of a ward's tags, and of as many tags as frames,
 * of which none is remembered. Beside it npm @serialport/parser-packet-length, which only cuts frames, on the same bytes,
 * where it can be set up for them at all. All take turns, so that a busy machine slows all.
 */
export async function benchProfile(id: string): Promise<Figure[]> {
  const driver = openProfiles().load(id)
  const ward = tagLoad(driver, WARD_TAGS)
  const strangers = tagLoad(driver, FRAMES)
  // Each at a site of its own, which follows the tags that come.
  const ofWard = createOurs(driver, ward.tags)
  const ofStrangers = createOurs(driver, strangers.tags)
  const theirs = createTheirs(driver)
  const rounds: Round[] = []
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    const known = await msOf(ofWard, ward, PASSES)
    const unknown = await msOf(ofStrangers, strangers, 1)
    const other = theirs === undefined ? undefined : await msOf(theirs, ward, 1)
    if (round >= 0) rounds.push({ known, unknown, other })
  }
  return figuresOf(driver, rounds)
}

/** Milliseconds of processor time for `FRAMES` frames. */
interface Round {
  readonly known: number
  readonly unknown: number
  readonly other: number | undefined
}

/** Processor time of this process: the same as wall time on an idle machine, and on a busy one nothing of the others'. */
async function msOf(take: Take, load: Load, passes: number): Promise<number> {
  globalThis.gc?.()
  const start = process.cpuUsage()
  await take(load, passes)
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1_000 / passes
}

function figuresOf({ id }: Driver, rounds: readonly Round[]): Figure[] {
  const group = `RFID, ${id}`
  const rate = (name: string, key: 'known' | 'unknown'): Figure => {
    const value = median(rounds.map((round) => (FRAMES * 1_000) / round[key]))
    return { group, name, value, unit: 'frames/s' }
  }
  const rates = [
    rate("frames of a ward's tags to readings", 'known'),
    rate('frames of tags never met to readings', 'unknown'),
  ]
  if (rounds.some(({ other }) => other === undefined)) return rates
  const times = (name: string, key: 'known' | 'unknown'): Figure => {
    const value = median(rounds.map((round) => (round.other ?? Number.NaN) / round[key]))
    return { group, name, value, unit: 'times' }
  }
  return [
    ...rates,
    { ...times("a ward's tags, against parser-packet-length", 'known'), goal: { atLeast: 5 } },
    times('tags never met, against parser-packet-length', 'unknown'),
  ]
}
