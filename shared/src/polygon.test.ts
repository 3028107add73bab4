import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  clipToPolygon,
  type FloorPoint,
  isInPolygon,
  isSimplePolygon,
  type Polygon,
  polygonArea,
  polygonCentre,
  polygonHalfDiagonal,
} from './polygon.ts'

const SQUARE: Polygon = [
  [0, 0],
  [4, 0],
  [4, 3],
  [0, 3],
]
/** An L: what is right of x = 2 is only 1 m deep. */
const ANGLE: Polygon = [
  [0, 0],
  [4, 0],
  [4, 1],
  [2, 1],
  [2, 4],
  [0, 4],
]

describe('a polygon', () => {
  it('has its area, centre and half-diagonal, whichever way round it is written', () => {
    for (const polygon of [SQUARE, [...SQUARE].reverse()]) {
      expect(polygonArea(polygon)).toBeCloseTo(12)
      expect(polygonCentre(polygon)[0]).toBeCloseTo(2)
      expect(polygonCentre(polygon)[1]).toBeCloseTo(1.5)
      expect(polygonHalfDiagonal(polygon)).toBeCloseTo(2.5)
    }
    expect(polygonArea(ANGLE)).toBeCloseTo(10)
  })

  it('knows what lies inside, in a corner that is cut out too', () => {
    expect(isInPolygon(ANGLE, [1, 3])).toBe(true)
    expect(isInPolygon(ANGLE, [3, 3])).toBe(false)
  })

  it('draws a place outside to its nearest edge and leaves one inside where it is', () => {
    expect(clipToPolygon(SQUARE, [2, 1])).toEqual([2, 1])
    expect(clipToPolygon(SQUARE, [9, 1])).toEqual([4, 1])
    expect(clipToPolygon(ANGLE, [3, 2])).toEqual([3, 1])
    expect(clipToPolygon([], [3, 2])).toEqual([3, 2])
  })

  it('is refused when edges cross, touch, or hold no area', () => {
    expect(isSimplePolygon(SQUARE)).toBe(true)
    expect(isSimplePolygon(ANGLE)).toBe(true)
    const bow: Polygon = [
      [0, 0],
      [4, 3],
      [4, 0],
      [0, 3],
    ]
    expect(isSimplePolygon(bow)).toBe(false)
    expect(isSimplePolygon(SQUARE.slice(0, 2))).toBe(false)
  })

  it('has its centre of nothing at the mean of its corners', () => {
    const line: Polygon = [
      [0, 0],
      [2, 2],
      [4, 4],
    ]
    expect(polygonCentre(line)).toEqual([2, 2])
    expect(polygonCentre([])).toEqual([0, 0])
    expect(polygonHalfDiagonal([])).toBe(0)
  })

  it('never moves a place further than to any of its corners', () => {
    const place = fc.tuple(fc.double({ min: -20, max: 20, noNaN: true }), fc.double({ min: -20, max: 20, noNaN: true }))
    const between = (a: FloorPoint, b: FloorPoint): number => Math.hypot(a[0] - b[0], a[1] - b[1])
    fc.assert(
      fc.property(place, (from) => {
        const moved = between(from, clipToPolygon(ANGLE, from))
        for (const corner of ANGLE) expect(moved).toBeLessThanOrEqual(between(from, corner) + 1e-9)
      }),
    )
  })
})
