/**
 * A receiver reports nothing below its floor, so of a weak signal only the luckiest readings are seen: their mean is
 * too high, varies too little, and hardly falls when the tag is made weaker. The normal distribution cut off from below
 * says by how much. All depths are in standard deviations of the mean above the floor.
 */

/** The filter stage passes no Bluetooth reading on below -95 dBm, and powers are whole dBm. */
export const FLOOR_DBM = -95.5

/** Chebyshev fit of the complementary error function, relative error below 1.2e-7 (Press et al., Numerical Recipes, 6.2). */
const ERFC = [
  -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
  0.17087277,
] as const

/** Share of a normal distribution that lies above its floor. */
export function shareAbove(depth: number): number {
  const x = Math.abs(depth) / Math.SQRT2
  const t = 1 / (1 + x / 2)
  const tail = (t * Math.exp(-x * x + ERFC.reduceRight((sum, own) => own + t * sum, 0))) / 2
  return depth >= 0 ? 1 - tail : tail
}

/** Beyond this the share above is too small to be divided by. */
const DEEPEST = 8

/** How far the mean of what lies above the floor exceeds the mean of all (inverse Mills ratio). */
export function excess(depth: number): number {
  if (depth < -DEEPEST) return -depth - 1 / depth
  return Math.exp((-depth * depth) / 2) / Math.sqrt(2 * Math.PI) / shareAbove(depth)
}

/** Share of the variance that is left, 0-1; by so much, too, the mean of what is seen follows the mean of all. */
export function remaining(depth: number): number {
  const lift = excess(depth)
  return Math.max(0.05, 1 - lift * (lift + depth))
}

const SHALLOW = { from: -5, to: 6, step: 0.01 } as const

/** Inverse of a rising function of the depth, from a table. */
function inverseOf(rising: (depth: number) => number): (value: number) => number {
  const count = Math.round((SHALLOW.to - SHALLOW.from) / SHALLOW.step) + 1
  const values = Array.from({ length: count }, (_, i) => rising(SHALLOW.from + i * SHALLOW.step))
  return (value) => {
    let low = 0
    let high = count - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((values[middle] ?? 0) < value) low = middle + 1
      else high = middle
    }
    return SHALLOW.from + low * SHALLOW.step
  }
}

/** Depth at which this share lies above the floor. */
export const depthOfShare = inverseOf(shareAbove)

/** Depth of a cell of which this mean is seen; at its worst the floor is all there is to see. */
export function depthOf(meanDbm: number, deviation: number): number {
  return depthOfMean((meanDbm - FLOOR_DBM) / deviation)
}

/** Depth at which the mean of what is seen lies this far above the floor. */
const depthOfMean = inverseOf((depth) => depth + excess(depth))
