import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { driverOf, join } from '../profiles-on-disk.ts'
import type { Decoded } from './driver.ts'
import { hexOf, knownHex } from './hex.ts'

const mercury = driverOf('thingmagic-mercury')
const r200 = driverOf('magicrf-r200')
const tag = (n: number) =>
  mercury.reader.encodeTags([{ epc: n.toString(16).toUpperCase().padStart(24, '0'), rssiDbm: -50, antenna: 1 }])

function listen(driver = mercury) {
  const found: Decoded[] = []
  return { found, framer: driver.createFramer((decoded) => found.push(decoded)) }
}

const epcs = (found: readonly Decoded[]) => found.flatMap(({ tags }) => tags.map(({ epc }) => Number.parseInt(epc, 16)))

describe('a framer', () => {
  it('finds the frame that a false start has swallowed', () => {
    const { found, framer } = listen()
    framer.push(join([knownHex('FF40'), tag(1), tag(2)]), 0)
    framer.push(tag(3), 1)
    expect(epcs(found)).toEqual([1, 2, 3])
    expect(framer.counters).toEqual({ frames: 3, bytesDropped: 2, badChecksum: 1, resyncs: 1 })
  })

  it('gives up an unfinished frame after the gap, and finds what stands behind its start', () => {
    const { found, framer } = listen()
    framer.push(join([knownHex('FFF8'), tag(1)]), 0)
    expect(found).toEqual([])
    expect(framer.pending).toBe(true)
    framer.push(tag(2), mercury.serial.gapMs + 1)
    expect(epcs(found)).toEqual([1, 2])
    expect(framer.pending).toBe(false)
  })

  it('waits for a slow line within the gap', () => {
    const { found, framer } = listen()
    for (const [n, byte] of tag(7).entries()) framer.push(Uint8Array.of(byte), n * mercury.serial.gapMs)
    expect(epcs(found)).toEqual([7])
    expect(framer.counters.bytesDropped).toBe(0)
  })

  it('tells garbage in runs no longer than a frame, in the order it came', () => {
    const { found, framer } = listen()
    framer.push(join([new Uint8Array(600), tag(1), Uint8Array.of(1, 2, 3)]), 0)
    framer.flush()
    expect(found.map(({ verdict, frame }) => [verdict, frame.length])).toEqual([
      ['garbage', 255],
      ['garbage', 255],
      ['garbage', 90],
      ['tag', tag(1).length],
      ['garbage', 3],
    ])
  })

  it('keeps what it has given, whatever comes after', () => {
    const { found, framer } = listen()
    framer.push(tag(1), 0)
    const [first] = found
    const before = [hexOf(first?.frame ?? new Uint8Array(0)), first?.fields]
    for (let n = 0; n < 2_000; n++) framer.push(tag(n), 0)
    expect([hexOf(first?.frame ?? new Uint8Array(0)), first?.fields]).toEqual(before)
  })

  it('loses none of 20,000 frames but the damaged ones, in pieces of 1 to 63 bytes', () => {
    const random = lcg(4711)
    const damagedOf = new Set<number>()
    const frames = Array.from({ length: 20_000 }, (_, n) => {
      const frame = tag(n)
      if (random() > 0.01) return frame
      damagedOf.add(n)
      return damage(frame, random)
    })
    const stream = join(frames)
    const { found, framer } = listen()
    for (let at = 0; at < stream.length; ) {
      const end = at + 1 + Math.floor(random() * 63)
      framer.push(stream.subarray(at, end), 0)
      at = end
    }
    framer.flush()
    const seen = new Set(epcs(found))
    expect(damagedOf.size).toBeGreaterThan(100)
    expect(frames.flatMap((_frame, n) => (seen.has(n) || damagedOf.has(n) ? [] : [n]))).toEqual([])
    expect([...seen].filter((n) => damagedOf.has(n) && damagedNotByNoise(frames[n], n))).toEqual([])
  })

  it('takes an R200 tag only with the right CRC of the tag, however often the sum is right by chance', () => {
    const good = r200.reader.encodeTags([{ epc: 'E20010710000529B0940B402', rssiDbm: -60 }])
    fc.assert(
      fc.property(fc.integer({ min: 6, max: 21 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bad = good.slice()
        bad[at] = (bad[at] ?? 0) ^ flip
        bad[bad.length - 2] = bad.subarray(1, -2).reduce((sum, byte) => sum + byte, 0) & 0xff
        expect(r200.decode(bad).verdict).toBe('garbage')
      }),
    )
  })
})

/** Noise in front, a byte lost, or a bit flipped. */
function damage(frame: Uint8Array, random: () => number): Uint8Array {
  const at = Math.floor(random() * frame.length)
  const kind = Math.floor(random() * 3)
  if (kind === 0) return join([Uint8Array.of(0xff, Math.floor(random() * 256)), frame])
  if (kind === 1) return frame.filter((_byte, n) => n !== at)
  return Uint8Array.from(frame, (byte, n) => (n === at ? byte ^ (1 << Math.floor(random() * 8)) : byte))
}

function damagedNotByNoise(frame: Uint8Array | undefined, n: number): boolean {
  return frame !== undefined && frame.length <= tag(n).length
}

/** Numerical Recipes' generator: the same stream in every run. */
function lcg(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
