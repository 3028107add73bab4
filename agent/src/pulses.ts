import type { Pulse } from '@biotrakr/shared'

import type { Source, SourceStatus } from './acquire/source.ts'
import type { OutboxStatus } from './outbox/outbox.ts'

interface Parts {
  readonly sources: readonly Source[]
  readonly outbox: () => OutboxStatus
  /** Times that the windows were closed, and that a commit returned. */
  readonly rounds: Readonly<Rounds>
  /** Event seconds per real second. */
  readonly speed: number
}

export interface Rounds {
  windows: number
  commits: number
}

/** Both are done once a second; an overloaded box is late by less. */
const ROUND_MS = 15_000
/** Records that no commit has made durable, although no fault of the disk is known. */
const DURABLE_MS = 60_000
/**
 * Neither a report nor an attempt to get one. Below this the source helps itself: a reader is opened again after seconds,
 * and the ladder of a Bluetooth adapter on a calm floor acts after 5, 15 and 30 minutes, then every five.
 */
const SOURCE_MS = 20 * 60_000

/** What must move in an agent that works; see `Pulse`. */
export function agentPulses({ sources, outbox, rounds, speed }: Parts): Pulse[] {
  return [
    { name: 'windows', mark: () => rounds.windows, limitMs: Math.max(ROUND_MS, (5 * 1_000) / speed) },
    { name: 'commits', mark: () => rounds.commits, limitMs: ROUND_MS },
    {
      name: 'store',
      mark: () => outbox().committedFixes + outbox().evicted,
      isExcused: () => outbox().open === 0 || outbox().fault !== undefined,
      limitMs: DURABLE_MS,
    },
    ...sources.map((source) => ({
      name: `source ${source.name}`,
      mark: () => activityOf(source.status()),
      isExcused: () => isExcused(source.status()),
      limitMs: SOURCE_MS,
    })),
  ]
}

/** A source that has failed says so in health; the agent goes on with the others. */
function isExcused({ state, watchesSilence = false }: SourceStatus): boolean {
  return state !== 'up' || !watchesSilence
}

function activityOf({ readings, errors, reader, strangers, adapters = [] }: SourceStatus): string {
  const tried = adapters.map(({ attempts, phase }) => [phase, ...Object.values(attempts)])
  return JSON.stringify([readings, errors, reader, Object.values(strangers?.adverts ?? {}), tried])
}
