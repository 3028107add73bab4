import { launch } from './launcher.ts'
import { sinceBootMs } from './upkeep/release-slots.ts'

/** For the test of the launcher: as `/usr/bin/biotrakr` calls it, with folders of the test, and time that a line sets ahead. */
const [places = '{}', ...words] = process.argv.slice(2)
let aheadMs = 0
process.stdin.on('data', (line) => {
  aheadMs += Number(line)
})
process.stdin.unref()

await launch({
  places: JSON.parse(places),
  words,
  load: (program) => import(program),
  nowMs: () => sinceBootMs() + aheadMs,
})
