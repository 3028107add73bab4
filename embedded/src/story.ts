import { createFilter, datasetSiteMap, datasetTruth, fitSurvey, readDataset } from '@biotrakr/agent'
import type { GatewayId, SiteMap, TagId } from '@biotrakr/shared'
import { createWard, createWardThings, surveyWard, type WardOptions, type WardThings, wardTruth } from '@biotrakr/sim'

import { type TruthSample, truthPerSecond } from './accuracy.ts'
import type { Options } from './options.ts'
import { type Pace, replayPace } from './pace.ts'

/** What the gateway hears, and what is true about it. */
export interface Story {
  readonly mode: 'ward' | 'replay'
  /** Names the gateway and its place at the centre: each story has a store of its own. */
  readonly gateway: GatewayId
  readonly facility: string
  /** One line for a person. */
  readonly title: string
  readonly siteMap: SiteMap
  readonly tags: readonly TagId[]
  /** How many readings a recording has. */
  readonly readings?: number
  /** Things that readers hear, which have to be started before the agent. */
  readonly things?: WardThings
  /** `sources` and `time` of the agent's configuration, for an agent that starts to hear at `realStartMs`. */
  schedule(realStartMs: number): Schedule
}

export interface Schedule {
  readonly sources: readonly object[]
  readonly time?: Pace
  /** The truth in seconds of event time after `fromMs` and up to `toMs`, both wall milliseconds. */
  truth(fromMs: number, toMs: number): Iterable<TruthSample>
}

/** Forty things: most with a Bluetooth tag, the others with a passive UHF tag that only readers hear. */
const TAGS = 36
const THINGS = 4
/** A tag that has stayed this long at its place is at rest. */
const SETTLED_MS = 30_000

interface Wish extends Pick<Options, 'seed' | 'replay' | 'speed'> {
  /** When the simulated ward's story began, wall milliseconds. */
  readonly wardStartMs: number
  /** When the run must end, wall milliseconds. */
  readonly endMs: number | undefined
}

/** @throws BioTrakrError DATASET_UNREADABLE, DATASET_INVALID */
export function chooseStory({ seed, replay, speed, wardStartMs, endMs }: Wish): Story {
  return replay === undefined ? wardStory(seed, wardStartMs) : replayStory(replay, speed, endMs)
}

function wardStory(seed: number, startMs: number): Story {
  const options = { seed, startMs, tags: TAGS }
  const ward = createWard(options)
  const things = createWardThings({ seed, startMs, count: THINGS })
  const { rooms, receivers } = ward.siteMap
  return {
    mode: 'ward',
    gateway: 'ward' as GatewayId,
    facility: 'Simulated ward',
    title: `simulated ward, seed ${seed}: ${rooms.length} rooms and zones, ${TAGS} Bluetooth and ${THINGS} UHF tags`,
    siteMap: surveyed(
      { ...ward.siteMap, receivers: [...receivers, ...things.receivers], portals: things.portals },
      options,
    ),
    tags: [...ward.tags, ...things.tags],
    things,
    schedule: () => ({
      sources: [{ kind: 'simulated', seed, startMs, tags: TAGS }],
      *truth(fromMs, toMs) {
        for (let atMs = Math.ceil(fromMs / 1000) * 1000; atMs <= toMs; atMs += 1000) {
          const resting = wardTruth(ward, atMs).filter((own) => !own.moving && atMs - own.sinceMs >= SETTLED_MS)
          for (const { tag, room } of resting) yield { tag, room, atMs }
          // A passive tag that no reader reaches says nothing; of those times nothing is asked.
          for (const tag of things.tags.filter((one) => things.isReadAt(one, atMs))) {
            yield { tag, room: things.truthAt(tag, atMs).room, atMs }
          }
        }
      },
    }),
  }
}

/** As after `biotrakr calibrate survey`: somebody walked through the ward with a tag before it opened. */
function surveyed(map: SiteMap, options: WardOptions): SiteMap {
  const windows = surveyWard(options).flatMap(({ room, at, readings }, stop) => {
    const filter = createFilter()
    for (const reading of readings) filter.add(reading)
    const closed = filter.close((readings.at(-1)?.atMs ?? 0) + 2000).windows
    return closed.map(({ atMs, sightings }) => ({ session: `stop ${stop}`, room, atMs, sightings, at }))
  })
  return { ...map, survey: fitSurvey(map, windows) }
}

function replayStory(dir: string, speed: number | undefined, endMs: number | undefined): Story {
  const dataset = readDataset(dir)
  const { counts, durationMs, problems } = dataset
  const bad = problems.total > 0 ? `; ${problems.total} bad rows, the first: ${problems.first[0]}` : ''
  return {
    mode: 'replay',
    gateway: gatewayOf(dataset.name),
    facility: `Data set ${dataset.name}`.slice(0, 64).trim(),
    title: `data set ${dataset.name}: ${counts.used} readings of ${dataset.tags.length} tags in ${Math.ceil(durationMs / 60_000)} min${bad}`,
    siteMap: datasetSiteMap(dataset),
    tags: dataset.tags,
    readings: counts.used,
    schedule: (realStartMs) => {
      const pace = replayPace({ durationMs, realStartMs, speed, endMs })
      return {
        sources: [{ kind: 'dataset', dir }],
        time: pace,
        truth: (_, toMs) => truthPerSecond(datasetTruth(dataset), pace.eventStartMs, toMs),
      }
    },
  }
}

/** Any folder name as a gateway name: lower-case letters, digits and hyphens, at most 63. */
function gatewayOf(name: string): GatewayId {
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  return `replay-${plain}`.slice(0, 63).replace(/-+$/, '') as GatewayId
}
