import type { Random } from '@biotrakr/shared'

import { below, randomBytes } from './chance.ts'

type Mutation = (frame: Uint8Array, random: Random, other: Uint8Array) => Uint8Array

const MUTATIONS: readonly Mutation[] = [
  (frame, random) => flipBit(frame, random),
  (frame, random) => setByte(frame, random),
  (frame, random) => dropBytes(frame, random),
  (frame, random) => insertBytes(frame, random),
  (frame, random) => frame.slice(0, below(random, frame.length + 1)),
  (frame, random) => frame.slice(below(random, frame.length + 1)),
  (frame, _random, other) => joined(frame, other),
  (frame, random, other) => joined(frame.slice(0, below(random, frame.length + 1)), other),
  (frame, random, other) =>
    joined(frame.slice(0, below(random, frame.length + 1)), other.slice(below(random, other.length + 1))),
  (frame) => joined(frame, frame),
  (frame, random) => randomBytes(random, below(random, frame.length + 1)),
]

/** A frame with one to four things wrong with it. */
export function mutated(frame: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let bytes = frame
  for (let left = 1 + below(random, 4); left > 0; left--) {
    bytes = MUTATIONS[below(random, MUTATIONS.length)]?.(bytes, random, other) ?? bytes
  }
  return bytes
}

/** Noise, a byte gone, or a bit flipped: what happens to one frame on a bad line. */
export function damaged(frame: Uint8Array, random: Random): Uint8Array {
  switch (below(random, 3)) {
    case 0:
      return insertBytes(frame, random)
    case 1:
      return withoutOne(frame, random)
    default:
      return flipBit(frame, random)
  }
}

/**
 * What goes is neither the last byte nor one like the first: the next frame's first byte would take its place and, under a
 * sum that does not mind the order, make the broken frame whole. No reader of the line could tell.
 */
function withoutOne(frame: Uint8Array, random: Random): Uint8Array {
  let at = below(random, frame.length - 1)
  while (frame[at] === frame[0] && at > 0) at -= 1
  return joined(frame.slice(0, at), frame.slice(at + 1))
}

function flipBit(frame: Uint8Array, random: Random): Uint8Array {
  const bytes = frame.slice()
  const at = below(random, bytes.length)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << below(random, 8))
  return bytes
}

function setByte(frame: Uint8Array, random: Random): Uint8Array {
  const bytes = frame.slice()
  const extremes = [0, 1, 0x7f, 0x80, 0xfe, 0xff]
  bytes[below(random, bytes.length)] = extremes[below(random, extremes.length)] ?? 0
  return bytes
}

function dropBytes(frame: Uint8Array, random: Random): Uint8Array {
  const at = below(random, frame.length + 1)
  return joined(frame.slice(0, at), frame.slice(at + 1 + below(random, 4)))
}

function insertBytes(frame: Uint8Array, random: Random): Uint8Array {
  const at = below(random, frame.length + 1)
  return joined(joined(frame.slice(0, at), randomBytes(random, 1 + below(random, 8))), frame.slice(at))
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(one.length + other.length)
  bytes.set(one)
  bytes.set(other, one.length)
  return bytes
}
