/**
 * Chance by address instead of by order: a draw is a hash of what it is for (seed, tag, receiver, advert number), so the
 * same question gets the same answer however often, and in whatever order, it is asked.
 */

/** State of a stream of draws: any 32-bit integer. */
export type Stream = number

/** Avalanche of 32 bits; constants of the "lowbias32" search by C. Wellons (nullprogram.com, 2018, public domain). */
function avalanche(value: number): number {
  let bits = value
  bits = Math.imul(bits ^ (bits >>> 16), 0x7feb352d)
  bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b)
  return bits ^ (bits >>> 16)
}

/**
 * Sub-stream `key` of a stream.
 * The key is hashed on its own first: with one round, streams whose states are close would share whole runs of draws.
 * @param key a whole number, taken modulo 2^32
 */
export function fork(stream: Stream, key: number): Stream {
  return avalanche(stream ^ avalanche((key + 0x9e3779b9) | 0))
}

/** Draw number `index` of a stream, even over [0, 1). */
export function uniform(stream: Stream, index: number): number {
  return (fork(stream, index) >>> 0) / 2 ** 32
}

/** Draw number `index` of a stream, normal with mean 0 and deviation 1 (Box and Muller 1958). */
export function normal(stream: Stream, index: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(stream, 2 * index)))
  return radius * Math.cos(2 * Math.PI * uniform(stream, 2 * index + 1))
}

/** Draw number `index` of a stream, a whole number in [0, count). */
export function below(stream: Stream, index: number, count: number): number {
  return Math.floor(uniform(stream, index) * count)
}
