import type { Driver } from '@biotrakr/firmware-profiles'

import { below, seeded } from './chance.ts'
import { randomTag } from './frames.ts'
import { damaged } from './mutate.ts'

export interface BadLine {
  /** Every frame as it was sent, in hex, and whether it arrived as it was sent. */
  readonly sent: readonly { readonly hex: string; readonly isWhole: boolean }[]
  readonly bytes: Uint8Array
}

const DAMAGED_SHARE = 0.01

/** Frames of a reader on a line that damages one in a hundred. */
export function badLine(driver: Driver, options: { readonly frames: number; readonly seed: number }): BadLine {
  const random = seeded(options.seed)
  const sent: { hex: string; isWhole: boolean }[] = []
  const pieces: Uint8Array[] = []
  for (let n = 0; n < options.frames; n++) {
    const frame = driver.reader.encodeTags([randomTag(driver, random)])
    const isWhole = random() >= DAMAGED_SHARE
    sent.push({ hex: core(driver, frame), isWhole })
    pieces.push(isWhole ? frame : damaged(frame, random))
  }
  return { sent, bytes: Buffer.concat(pieces) }
}

export interface Received {
  /** Whole frames that were sent and not told of. */
  readonly lost: number
  readonly whole: number
  /** Frames told of that were never sent. */
  readonly invented: number
}

/** A frame in hex, without the bytes around it that may also be missing: zeros of a PN532, ends of lines. */
function core({ document }: Driver, frame: Uint8Array): string {
  const hex = Buffer.from(frame).toString('hex')
  switch (document.framing.kind) {
    case 'pn532':
      return hex.replace(/^(?:00)+(?=ff)/, '')
    case 'line':
    case 'jsonLine':
      return hex.replace(/(?:0d|0a)+$/, '')
    case 'length':
    case 'delimited':
      return hex
  }
}

/** What a framer makes of a line whose bytes come in pieces of 1 to 63. */
export function receive(driver: Driver, { sent, bytes }: BadLine, seed: number): Received {
  const random = seeded(seed)
  const told = new Set<string>()
  const framer = driver.createFramer(({ verdict, frame }) => {
    if (verdict !== 'garbage') told.add(core(driver, frame))
  })
  for (let at = 0; at < bytes.length; ) {
    const next = at + 1 + below(random, 63)
    framer.push(bytes.subarray(at, next), 0)
    at = next
  }
  framer.flush()
  const all = new Set(sent.map(({ hex }) => hex))
  const whole = sent.filter(({ isWhole }) => isWhole)
  return {
    whole: whole.length,
    lost: whole.filter(({ hex }) => !told.has(hex)).length,
    invented: [...told].filter((hex) => !all.has(hex)).length,
  }
}

/**
 * Frames of which every fifth arrives without its last byte. Where the next frame begins with that very byte the line carries
 * the same bytes as if that one had lost its first: one of the two is whole then, and nobody can tell which.
 * @returns whole frames not told of, without those whose first byte made the frame before them whole
 */
export function lostBehindCutFrames(
  driver: Driver,
  options: { readonly frames: number; readonly seed: number },
): number {
  const random = seeded(options.seed)
  const frames = Array.from({ length: options.frames }, () => driver.reader.encodeTags([randomTag(driver, random)]))
  const told = new Set<string>()
  const framer = driver.createFramer(({ verdict, frame }) => {
    if (verdict !== 'garbage') told.add(core(driver, frame))
  })
  const isCut = (n: number) => n % 5 === 0
  for (const [n, frame] of frames.entries()) framer.push(isCut(n) ? frame.subarray(0, -1) : frame, 0)
  framer.flush()
  const isTold = (n: number) => told.has(core(driver, frames[n] ?? new Uint8Array(0)))
  const gaveItsFirst = (n: number) => isCut(n - 1) && frames[n - 1]?.at(-1) === frames[n]?.[0] && isTold(n - 1)
  return frames.filter((_frame, n) => !isCut(n) && !isTold(n) && !gaveItsFirst(n)).length
}
