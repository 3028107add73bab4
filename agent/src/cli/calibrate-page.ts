import { type CalibrationReport, gradeOf } from '../calibrate.ts'
import { barPlot, curvePlot, escaped, heatPlot } from './calibrate-plots.ts'
import { dateWords } from './calibrate-site.ts'

/** Colours by role; grades are told by words and marks as well. */
const STYLE = `
:root { color-scheme: light dark; --page: #f7f8fa; --card: #ffffff; --ink: #1c2430; --soft: #5b6675; --line: #dde2e9;
  --ramp: #1f6feb; --red: #c62828; --amber: #b26a00; --green: #1b7f43; --none: #8792a1; }
@media (prefers-color-scheme: dark) { :root { --page: #12161c; --card: #1b212a; --ink: #e6eaf0; --soft: #9aa7b8;
  --line: #303947; --ramp: #5b9bff; --red: #ff7b72; --amber: #e3a440; --green: #56d18a; --none: #7d899a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 16px; margin: 0 0 12px; }
p { margin: 0 0 8px; } .soft { color: var(--soft); } .wide { overflow-x: auto; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px; margin-top: 16px; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin-top: 16px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 18px; min-width: 150px; }
.tile b { display: block; font-size: 26px; line-height: 1.2; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; color: var(--soft); }
th, td { padding: 7px 10px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.grade { font-weight: 600; white-space: nowrap; }
.red { color: var(--red); } .amber { color: var(--amber); } .green { color: var(--green); } .unsurveyed { color: var(--none); }
ul { margin: 0; padding-left: 20px; } svg { display: block; max-width: none; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg .soft { fill: var(--soft); } svg .line { stroke: var(--line); } svg .ramp { fill: var(--ramp); }
svg .red { fill: var(--red); } svg .amber { fill: var(--amber); } svg .green { fill: var(--green); } svg .unsurveyed { fill: var(--none); }
@media print { body { background: #fff; } section, .tile { break-inside: avoid; } }
`

const WORDS = { red: '✕ red', amber: '! amber', green: '✓ green', unsurveyed: '– not surveyed' } as const
const share = (value: number | null): string => (value === null ? '–' : `${Math.round(100 * value)} %`)

/** One page that needs nothing but itself: no script, no font, no picture from elsewhere. */
export function reportPage(report: CalibrationReport): string {
  const { version, atMs, by, note, hash, mapVersion, quality } = report
  const weak = report.verdicts.filter(({ grade }) => grade !== 'green').length
  const tiles: [string, string][] = [
    [share(quality.sure), 'sure of the right room'],
    [`${weak} of ${quality.rooms.length}`, 'rooms need attention'],
    [String(report.places), 'places walked'],
    [String(report.seconds), 'seconds heard'],
  ]
  const why = note === '' ? '' : ` – ${escaped(note)}`
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Calibration ${version}</title><style>${STYLE}</style></head><body><main>
<h1>Calibration, version ${version}</h1>
<p class="soft">${dateWords(atMs)}, by ${escaped(by)}${why} · site map version ${mapVersion} · ${hash.slice(0, 12)}</p>
<p class="soft">Every place is judged by a model that has never seen it: what it believes after ten seconds there.</p>
<div class="tiles">${tiles.map(([value, name]) => `<div class="tile"><b>${value}</b>${name}</div>`).join('')}</div>
${remarks(report)}${roomTable(report)}${plots(report)}
</main></body></html>
`
}

function remarks({ remarks: list }: CalibrationReport): string {
  if (list.length === 0) return ''
  return card('Remarks', `<ul>${list.map((remark) => `<li>${escaped(remark)}</li>`).join('')}</ul>`)
}

const card = (title: string, inner: string): string => `<section><h2>${title}</h2>${inner}</section>\n`

function roomTable({ verdicts, quality }: CalibrationReport): string {
  const rows = verdicts.map(({ room, grade, cause, next }) => {
    const own = quality.rooms.find((one) => one.room === room)
    const advice = cause === '' ? '' : `${escaped(cause)}<br><span class="soft">Next: ${escaped(next)}</span>`
    const mark = `<td class="grade ${grade}">${WORDS[grade]}</td>`
    return `<tr><td>${escaped(room)}</td>${mark}<td class="n">${share(own?.sure ?? null)}</td><td class="n">${own?.places ?? 0}</td><td>${advice}</td></tr>`
  })
  const head = '<tr><th>Room</th><th>Grade</th><th>Sure</th><th>Places</th><th>Likely cause and next step</th></tr>'
  return card('Rooms, weakest first', `<div class="wide"><table>${head}${rows.join('')}</table></div>`)
}

function plots({ quality, cells }: CalibrationReport): string {
  const names = quality.rooms.map(({ room }) => room)
  const bars = quality.rooms.map(({ room, sure }) => ({ name: room, value: sure ?? 0, grade: gradeOf(sure) }))
  const receivers = [...new Set(cells.map(({ receiver }) => receiver))]
  const loudness = names.map((room) =>
    receivers.map((receiver) => {
      const cell = cells.find((one) => one.room === room && one.receiver === receiver)
      return cell ? { value: (cell.dbm + 95) / 50, text: String(Math.round(cell.dbm)) } : { value: 0, text: '' }
    }),
  )
  const believed = quality.confusion.map((row) =>
    row.map((value) => ({ value, text: value < 0.005 ? '' : String(Math.round(100 * value)) })),
  )
  const parts = [card('How sure it is of each room', `<div class="wide">${barPlot(bars)}</div>`)]
  if (quality.sure !== null) {
    const matrix = heatPlot({ rows: names, columns: names, cells: believed })
    parts.push(card('True room (rows) and what is believed (columns), %', `<div class="wide">${matrix}</div>`))
  }
  if (quality.curve.length > 1) {
    const points = quality.curve.map(({ places, sure }) => ({ x: places, y: sure }))
    parts.push(card('What more places per room bring', `<div class="wide">${curvePlot(points)}</div>`))
  }
  if (receivers.length > 0) {
    const heat = heatPlot({ rows: names, columns: receivers, cells: loudness })
    parts.push(card('Mean signal of each room at each receiver, dBm', `<div class="wide">${heat}</div>`))
  }
  return parts.join('')
}
