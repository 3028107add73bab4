import type { Decoded, Driver, ReceivedCommand } from '@biotrakr/firmware-profiles'
import { createReader } from '@biotrakr/sim'

import { below, seeded } from './chance.ts'
import { commandFrames, randomTag, replyFrames } from './frames.ts'
import { mutated } from './mutate.ts'

export interface FuzzResult {
  readonly frames: number
  readonly bytes: number
  readonly throws: number
  /** Bytes in and bytes told of (in frames and as garbage) that differ by more than the idle bytes between frames. */
  readonly overtold: number
  readonly accepted: number
  readonly tags: number
  readonly firstError?: string
}

export interface FuzzOptions {
  readonly frames: number
  readonly seed: number
  /** Called now and then, for a watchdog. */
  readonly onProgress?: (frames: number) => void
}

/** Every so many frames the framer flushes, all fields are looked at, and the simulated reader gets a broken command. */
const CLOSE_LOOK_EVERY = 16
const PROGRESS_EVERY = 10_000

/** Mutated frames into both sides of a profile: the gateway's framer and decoder, and the simulated reader. */
export function fuzzProfile(driver: Driver, { frames, seed, onProgress }: FuzzOptions): FuzzResult {
  const random = seeded(seed)
  const replies = replyFrames(driver, random)
  const commands = commandFrames(driver)
  const tally = { frames: 0, bytes: 0, throws: 0, overtold: 0, accepted: 0, tags: 0, told: 0 }
  let firstError: string | undefined
  let isClose = false
  const framer = driver.createFramer((decoded: Decoded) => {
    tally.told += decoded.frame.length
    tally.tags += decoded.tags.length
    if (decoded.verdict !== 'garbage') tally.accepted += 1
    if (isClose) JSON.stringify([decoded.fields, decoded.tags, decoded.error])
  })
  const tags = [randomTag(driver, random)]
  const reader = createReader(driver, { tags: () => tags, readsPerSecond: 10, noise: 0.1, random })
  const receiver = driver.reader.createFramer((command: ReceivedCommand) => void command.params)

  const attempt = (work: () => void, bytes: Uint8Array) => {
    try {
      work()
    } catch (error) {
      tally.throws += 1
      firstError ??= `${String(error)} at ${Buffer.from(bytes).toString('hex')}`
    }
  }
  const closeLook = (bytes: Uint8Array) => {
    framer.flush()
    driver.decode(bytes)
    if (commands.length === 0) return
    const command = mutated(pick(commands, random), pick(commands, random), random)
    receiver.push(command, tally.frames)
    reader.receive(command, tally.frames)
    reader.advance(tally.frames + 5)
  }
  for (; tally.frames < frames; tally.frames++) {
    const bytes = mutated(pick(replies, random), pick(replies, random), random)
    isClose = tally.frames % CLOSE_LOOK_EVERY === 0
    const cut = below(random, bytes.length + 1)
    attempt(() => {
      framer.push(bytes.subarray(0, cut), 0)
      framer.push(bytes.subarray(cut), 0)
    }, bytes)
    tally.bytes += bytes.length
    if (isClose) attempt(() => closeLook(bytes), bytes)
    if (tally.told > tally.bytes) tally.overtold += 1
    if (tally.frames % PROGRESS_EVERY === 0) onProgress?.(tally.frames)
  }
  const { told: _told, ...result } = tally
  return { ...result, ...(firstError === undefined ? {} : { firstError }) }
}

function pick<T>(from: readonly T[], random: () => number): T {
  const item = from[below(random, from.length)]
  if (item === undefined) throw new Error('the profile has no frames to start from')
  return item
}
