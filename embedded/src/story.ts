import { datasetSiteMap, datasetTruth, readDataset } from '@biotrakr/agent'
import type { GatewayId, SiteMap, TagId } from '@biotrakr/shared'
import { createWard, createWardThings, type WardThings, wardTruth } from '@biotrakr/sim'

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
  const ward = createWard({ seed, startMs, tags: TAGS })
  const things = createWardThings({ seed, startMs, count: THINGS })
  const { rooms, receivers } = ward.siteMap
  return {
    mode: 'ward',
    gateway: 'ward' as GatewayId,
    facility: 'Simulated ward',
    title: `simulated ward, seed ${seed}: ${rooms.length} rooms and zones, ${TAGS} Bluetooth and ${THINGS} UHF tags`,
    siteMap: { ...ward.siteMap, receivers: [...receivers, ...things.receivers], portals: things.portals },
    tags: [...ward.tags, ...things.tags],
    things,
    schedule: () => ({
      sources: [{ kind: 'simulated', seed, startMs, tags: TAGS }],
      *truth(fromMs, toMs) {
        for (let atMs = Math.ceil(fromMs / 1000) * 1000; atMs <= toMs; atMs += 1000) {
          for (const { tag, room } of wardTruth(ward, atMs)) yield { tag, room, atMs }
          // A passive tag that no reader reaches says nothing; of those times nothing is asked.
          for (const tag of things.tags.filter((one) => things.isReadAt(one, atMs))) {
            yield { tag, room: things.truthAt(tag, atMs).room, atMs }
          }
        }
      },
    }),
  }
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
