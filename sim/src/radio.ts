import { fork, normal, type Stream, uniform } from './chance.ts'
import { extentOf, type Point, ROOMS, wallsBetween } from './floor-plan.ts'

/** Free-space loss from -59 dBm at 1 m, the usual calibration of a small Bluetooth beacon at 0 dBm. */
const DBM_AT_ONE_METRE = -59
const NEAREST_METRES = 0.5
const HEIGHT_DIFFERENCE_METRES = 1.5
const GAIN_SPREAD_DB = 2.5
const FADING_DB = 4
const SHADOW_DB = 4
const SHADOW_WAVES = 24
const SHORTEST_WAVE_METRES = 2
const LONGEST_WAVE_METRES = 6
const RECEPTION = 0.7
const SENSITIVITY_DBM = -96
const BODY_DB = 8
/** A person steps between tag and receiver, or away again, with these chances per advert. */
const BODY_COMES = 1 / 110
const BODY_GOES = 1 / 20
const RECEIVER_HEIGHT_METRES = HEIGHT_DIFFERENCE_METRES + 1

/** A plane wave of shadowing: x and y in radians per metre, and its phase. */
interface Wave {
  readonly kx: number
  readonly ky: number
  readonly phase: number
}

export interface RadioReceiver {
  readonly room: number
  readonly at: readonly [number, number, number]
  readonly gainDb: number
  readonly waves: readonly Wave[]
}

/** One receiver in the middle half of each room and corridor zone. */
export function placeReceivers(stream: Stream): readonly RadioReceiver[] {
  return Array.from({ length: ROOMS }, (_, room) => {
    const { from, to } = extentOf(room)
    const own = fork(stream, room)
    const x = from.x + (to.x - from.x) * (0.25 + 0.5 * uniform(own, 0))
    const y = from.y + (to.y - from.y) * (0.25 + 0.5 * uniform(own, 1))
    return {
      room,
      at: [round2(x), round2(y), RECEIVER_HEIGHT_METRES],
      gainDb: GAIN_SPREAD_DB * normal(fork(own, 2), 0),
      waves: shadowWaves(fork(own, 3)),
    }
  })
}

const round2 = (metres: number): number => Math.round(metres * 100) / 100

function shadowWaves(stream: Stream): readonly Wave[] {
  return Array.from({ length: SHADOW_WAVES }, (_, i) => {
    const span = LONGEST_WAVE_METRES - SHORTEST_WAVE_METRES
    const k = (2 * Math.PI) / (SHORTEST_WAVE_METRES + span * uniform(stream, 3 * i))
    const heading = 2 * Math.PI * uniform(stream, 3 * i + 1)
    return { kx: k * Math.cos(heading), ky: k * Math.sin(heading), phase: 2 * Math.PI * uniform(stream, 3 * i + 2) }
  })
}

/** Power on average at one place, dBm, without the tag's own power: distance, walls, receiver gain, shadowing. */
export function placeDbm({ at, gainDb, waves }: RadioReceiver, point: Point, wallLossDb: number): number {
  const [x, y] = at
  const metres = Math.max(NEAREST_METRES, Math.hypot(point.x - x, point.y - y, HEIGHT_DIFFERENCE_METRES))
  let shadow = 0
  for (const { kx, ky, phase } of waves) shadow += Math.cos(kx * point.x + ky * point.y + phase)
  return (
    DBM_AT_ONE_METRE -
    20 * Math.log10(metres) -
    wallLossDb * wallsBetween(point, { x, y }) +
    gainDb +
    SHADOW_DB * Math.sqrt(2 / SHADOW_WAVES) * shadow
  )
}

/**
 * What one receiver makes of advert `advert` of one tag.
 * @param link stream of this pair of tag and receiver
 * @returns whole dBm, or undefined when it was not received
 */
export function receive(link: Stream, advert: number, averageDbm: number): number | undefined {
  if (uniform(fork(link, 0), advert) >= RECEPTION) return undefined
  const body = bodyBetween(fork(link, 1), advert) ? BODY_DB : 0
  const dbm = Math.round(averageDbm - body + FADING_DB * normal(fork(link, 2), advert))
  return dbm < SENSITIVITY_DBM ? undefined : Math.min(dbm, -1)
}

/**
 * A two-state chain (body between or not) that can be asked for any advert without running it from the start: a low draw
 * brings a body whatever was before, a high one takes it away, and any other changes nothing. So the state is what the
 * latest low or high draw said, some 17 adverts back on average.
 */
function bodyBetween(stream: Stream, advert: number): boolean {
  for (let n = advert; ; n--) {
    const draw = uniform(stream, n)
    if (draw < BODY_COMES) return true
    if (draw >= 1 - BODY_GOES) return false
  }
}
