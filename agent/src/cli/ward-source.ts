import type { Clock, Random, TagId, Timer } from '@biotrakr/shared'
import { createWardAir, type Ward } from '@biotrakr/sim'
import type { Logger } from 'pino'

import { type OnHeard, openBle, type Source } from '../sources.ts'

interface WardSourceOptions {
  readonly clock: Clock
  readonly allow: { has(tag: TagId): boolean }
  readonly random: Random
  readonly log: Logger
  readonly onHeard?: OnHeard
}

/** How often the ward's tags get to speak, milliseconds. */
const STEP_MS = 100

/**
 * Plays a simulated ward to simulated Bluetooth controllers, one for each receiver; from there on everything is as with
 * real ones: the library, its supervision, the decoder. Each advert is heard at its own time, however late the step is.
 */
export function createWardSource(ward: Ward, { clock, ...rest }: WardSourceOptions): Source {
  const air = createWardAir(ward)
  let timer: Timer | undefined
  let playedMs = 0
  let heardMs: number | undefined
  const source = openBle({
    name: 'simulated',
    adapters: air.controllers.map(({ receiver, port }) => ({
      receiver,
      target: { controller: port, label: `simulated ${receiver}` },
    })),
    clock: { ...clock, wallMs: () => heardMs ?? clock.wallMs() },
    ...rest,
  })

  function play(): void {
    const nowMs = Math.floor(clock.wallMs())
    if (nowMs <= playedMs) return
    air.play(playedMs, nowMs, (atMs) => {
      heardMs = atMs
    })
    heardMs = undefined
    playedMs = nowMs
  }

  return {
    ...source,
    async start(onReading) {
      if (timer) return
      await source.start(onReading)
      playedMs = Math.floor(clock.wallMs())
      timer = clock.every(STEP_MS, play)
    },
    async stop() {
      timer?.cancel()
      timer = undefined
      await source.stop()
    },
  }
}
