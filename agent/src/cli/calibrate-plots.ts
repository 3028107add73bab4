/** Plots as inline SVG, without a script; every mark has a title that a pointer shows. */

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}

export interface Bar {
  readonly name: string
  /** 0-1. */
  readonly value: number
  readonly grade: 'red' | 'amber' | 'green' | 'unsurveyed'
}

const CHARACTER = 7
const labelWidth = (names: readonly string[]): number =>
  Math.min(220, 16 + CHARACTER * Math.max(1, ...names.map(({ length }) => length)))

const svg = ({ width, height }: { width: number; height: number }, inner: string): string =>
  `<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">${inner}</svg>`

interface Spot {
  readonly x: number
  readonly y: number
}

function label({ x, y }: Spot, text: string, { anchor = 'start', soft = false, turned = false } = {}): string {
  const style = soft ? ' class="soft"' : ''
  const turn = turned ? ` transform="rotate(-45 ${x} ${y})"` : ''
  return `<text x="${x}" y="${y}" text-anchor="${anchor}"${style}${turn}>${escaped(text)}</text>`
}

const BAR = { height: 18, gap: 8, width: 420 }

export function barPlot(bars: readonly Bar[]): string {
  const left = labelWidth(bars.map(({ name }) => name))
  const height = bars.length * (BAR.height + BAR.gap) + 20
  const marks = bars.map(({ name, value, grade }, n) => {
    const y = n * (BAR.height + BAR.gap)
    const percent = `${Math.round(100 * value)} %`
    const end = left + value * BAR.width
    const box = `<rect x="${left}" y="${y}" width="${Math.max(1, value * BAR.width)}" height="${BAR.height}" rx="3" class="${grade}"><title>${escaped(name)}: ${percent}</title></rect>`
    const words = grade === 'unsurveyed' ? 'not surveyed' : percent
    return label({ x: left - 8, y: y + 13 }, name, { anchor: 'end' }) + box + label({ x: end + 6, y: y + 13 }, words)
  })
  const lines = [0.6, 0.8].map((at) => {
    const x = left + at * BAR.width
    const line = `<line x1="${x}" y1="0" x2="${x}" y2="${height - 18}" class="line" stroke-dasharray="4 3"/>`
    return line + label({ x, y: height - 4 }, `${100 * at} %`, { anchor: 'middle', soft: true })
  })
  return svg({ width: left + BAR.width + 110, height }, lines.join('') + marks.join(''))
}

interface Heat {
  readonly rows: readonly string[]
  readonly columns: readonly string[]
  /** 0-1, and what stands in the cell. */
  readonly cells: readonly (readonly { readonly value: number; readonly text: string }[])[]
}

const CELL = { width: 44, height: 26 }
const FULL_OPACITY = 0.75

export function heatPlot({ rows, columns, cells }: Heat): string {
  const left = labelWidth(rows)
  const top = Math.ceil(labelWidth(columns) * 0.72) + 8
  const parts = columns.map((name, c) =>
    label({ x: left + c * CELL.width + CELL.width / 2, y: top - 8 }, name, { turned: true }),
  )
  rows.forEach((name, r) => {
    const y = top + r * CELL.height
    parts.push(label({ x: left - 8, y: y + 17 }, name, { anchor: 'end' }))
    for (const [c, { value, text }] of (cells[r] ?? []).entries()) {
      const x = left + c * CELL.width
      const opacity = (FULL_OPACITY * Math.min(1, Math.max(0.03, value))).toFixed(3)
      const title = `<title>${escaped(name)}, ${escaped(columns[c] ?? '')}: ${text || '0'}</title>`
      const box = `<rect x="${x + 1}" y="${y + 1}" width="${CELL.width - 2}" height="${CELL.height - 2}" rx="3" class="ramp" fill-opacity="${opacity}">${title}</rect>`
      parts.push(box, label({ x: x + CELL.width / 2, y: y + 17 }, text, { anchor: 'middle' }))
    }
  })
  const width = left + columns.length * CELL.width + Math.ceil(labelWidth(columns) * 0.72)
  return svg({ width, height: top + rows.length * CELL.height + 4 }, parts.join(''))
}

const CURVE = { width: 520, height: 240, left: 46, bottom: 40, top: 12 }

export function curvePlot(points: readonly Spot[]): string {
  const most = Math.max(...points.map(({ x }) => x))
  const px = (x: number): number => CURVE.left + ((x - 1) / Math.max(1, most - 1)) * (CURVE.width - CURVE.left - 30)
  const py = (y: number): number => CURVE.top + (1 - y) * (CURVE.height - CURVE.top - CURVE.bottom)
  const grid = [0, 0.25, 0.5, 0.75, 1].map((y) => {
    const line = `<line x1="${CURVE.left}" y1="${py(y)}" x2="${CURVE.width - 30}" y2="${py(y)}" class="line"/>`
    return line + label({ x: CURVE.left - 8, y: py(y) + 4 }, `${100 * y} %`, { anchor: 'end', soft: true })
  })
  const path = points.map(({ x, y }) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(' ')
  const dots = points.map(({ x, y }) => {
    const title = `<title>${x} places: ${Math.round(100 * y)} %</title>`
    const number = label({ x: px(x), y: CURVE.height - CURVE.bottom + 18 }, String(x), { anchor: 'middle', soft: true })
    return `<circle cx="${px(x)}" cy="${py(y)}" r="4.5" class="ramp">${title}</circle>${number}`
  })
  const line = `<polyline points="${path}" fill="none" style="stroke:var(--ramp)" stroke-width="2.5"/>`
  const axis = label({ x: CURVE.width / 2, y: CURVE.height - 4 }, 'places per room', { anchor: 'middle', soft: true })
  return svg(CURVE, grid.join('') + line + dots.join('') + axis)
}
