/** A corner or a place on a floor: x and y in metres from the map's origin. */
export type FloorPoint = readonly [x: number, y: number]

/** Corners in order, without the first one again at the end; at least three, no two edges crossing (`isSimplePolygon`). */
export type Polygon = readonly FloorPoint[]

/** Signed: positive when the corners go against the clock; square metres. */
function signedArea(polygon: Polygon): number {
  return edgesOf(polygon).reduce((sum, [[ax, ay], [bx, by]]) => sum + (ax * by - bx * ay) / 2, 0)
}

/** Square metres; 0 for fewer than three corners. */
export function polygonArea(polygon: Polygon): number {
  return Math.abs(signedArea(polygon))
}

/** Centre of its area; for a polygon without any area the mean of its corners. */
export function polygonCentre(polygon: Polygon): FloorPoint {
  const area = signedArea(polygon)
  // Reckoned from the first corner, as far from the origin rounding would cost more than a small room is wide.
  const [ox, oy] = polygon[0] ?? [0, 0]
  let x = 0
  let y = 0
  for (const [a, b] of edgesOf(polygon)) {
    const cross = (a[0] - ox) * (b[1] - oy) - (b[0] - ox) * (a[1] - oy)
    x += (a[0] + b[0] - 2 * ox) * cross
    y += (a[1] + b[1] - 2 * oy) * cross
  }
  if (Math.abs(area) > 1e-9) return [ox + x / (6 * area), oy + y / (6 * area)]
  const count = Math.max(1, polygon.length)
  const mean = (axis: 0 | 1): number => polygon.reduce((sum, corner) => sum + corner[axis], 0) / count
  return [mean(0), mean(1)]
}

/** Half the diagonal of the smallest upright rectangle around it, metres. */
export function polygonHalfDiagonal(polygon: Polygon): number {
  const extent = (axis: 0 | 1): number => {
    const values = polygon.map((corner) => corner[axis])
    return values.length === 0 ? 0 : Math.max(...values) - Math.min(...values)
  }
  return Math.hypot(extent(0), extent(1)) / 2
}

/** Whether a place lies inside; on an edge it may be either. */
export function isInPolygon(polygon: Polygon, [x, y]: FloorPoint): boolean {
  let inside = false
  for (const [[ax, ay], [bx, by]] of edgesOf(polygon)) {
    if (ay > y !== by > y && x < ax + ((bx - ax) * (y - ay)) / (by - ay)) inside = !inside
  }
  return inside
}

/** The place itself when it lies inside, else the nearest one on an edge. */
export function clipToPolygon(polygon: Polygon, point: FloorPoint): FloorPoint {
  if (polygon.length === 0 || isInPolygon(polygon, point)) return point
  let nearest = polygon[0] ?? point
  let best = Number.POSITIVE_INFINITY
  for (const [a, b] of edgesOf(polygon)) {
    const candidate = nearestOn(a, b, point)
    const distance = Math.hypot(candidate[0] - point[0], candidate[1] - point[1])
    if (distance >= best) continue
    best = distance
    nearest = candidate
  }
  return nearest
}

/** Whether it has an area and no two of its edges cross or touch, but for neighbours at their common corner. */
export function isSimplePolygon(polygon: Polygon): boolean {
  const edges = edgesOf(polygon)
  if (edges.length < 3 || polygonArea(polygon) < 1e-9) return false
  return edges.every(([a, b], i) =>
    edges.slice(i + 1).every(([c, d], more) => {
      const j = i + 1 + more
      const isNeighbour = j === i + 1 || (i === 0 && j === edges.length - 1)
      return isNeighbour || !doCross([a, b], [c, d])
    }),
  )
}

type Edge = readonly [FloorPoint, FloorPoint]

function edgesOf(polygon: Polygon): Edge[] {
  return polygon.map((corner, i): Edge => [corner, polygon[(i + 1) % polygon.length] ?? corner])
}

function nearestOn([ax, ay]: FloorPoint, [bx, by]: FloorPoint, [x, y]: FloorPoint): FloorPoint {
  const [dx, dy] = [bx - ax, by - ay]
  const length = dx * dx + dy * dy
  const share = length === 0 ? 0 : Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length))
  return [ax + share * dx, ay + share * dy]
}

function doCross([a, b]: Edge, [c, d]: Edge): boolean {
  const side = (p: FloorPoint, q: FloorPoint, r: FloorPoint): number =>
    Math.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))
  const apart =
    Math.max(a[0], b[0]) < Math.min(c[0], d[0]) ||
    Math.max(c[0], d[0]) < Math.min(a[0], b[0]) ||
    Math.max(a[1], b[1]) < Math.min(c[1], d[1]) ||
    Math.max(c[1], d[1]) < Math.min(a[1], b[1])
  return !apart && side(a, b, c) * side(a, b, d) <= 0 && side(c, d, a) * side(c, d, b) <= 0
}
