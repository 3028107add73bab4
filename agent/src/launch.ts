import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

import { launch } from './launcher.ts'
import { keepHeapSmall } from './small-heap.ts'
import { installedPlaces } from './upkeep/release-slots.ts'

// Before the program is loaded: garbage of that would raise the peak.
keepHeapSmall()
// In the package this file is /usr/lib/biotrakr/agent/dist/launch.js.
await launch({
  places: installedPlaces(resolve(import.meta.dirname, '../..')),
  words: process.argv.slice(2),
  load: (program) => import(pathToFileURL(program).href),
})
