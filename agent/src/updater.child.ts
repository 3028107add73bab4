import { obtainFromFolder } from './release-source.ts'
import { hastyClock } from './updater.fixtures.ts'
import { type UpdateStep, update } from './updater.ts'
import { confirmedSlot, sinceBootMs, trialAt } from './upkeep/release-slots.ts'

/** An update that is killed before the step it is told; the agent of it runs whatever the launcher would run. */
const [placesText = '', folder = '', doomedStep = '', health = 'good'] = process.argv.slice(2)
const places = JSON.parse(placesText)
let running = confirmedSlot(places)

await update({
  places,
  clock: hastyClock(),
  tell: () => undefined,
  restart: async () => {
    running = trialAt(places, sinceBootMs())?.slot ?? confirmedSlot(places)
  },
  health: async () =>
    running && { version: running.version, problems: health !== 'good' && running.version !== '0.1.0' ? ['BAD'] : [] },
  obtain: async (present) => obtainFromFolder(folder, { places, present }),
  step: (name: UpdateStep) => {
    if (name === doomedStep) process.kill(process.pid, 'SIGKILL')
  },
})
