import type { Clock, Random, TagId } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'
import type { Logger } from 'pino'

import type { AgentConfig } from '../config.ts'
import { bleParts, type OnHeard, openBle, openDataset, type Source } from '../sources.ts'
import { createWardSource } from './ward-source.ts'

interface Parts {
  /** The time in which the source lives. */
  readonly clock: Clock
  /** Event time at which a recording begins, wall milliseconds. */
  readonly startMs: number
  readonly allow: ReadonlySet<TagId>
  readonly tags: readonly TagId[]
  readonly random: Random
  readonly log: Logger
  /** Is told of every advert, where the source hears adverts. */
  readonly onHeard?: OnHeard
}

/**
 * A source as it is configured.
 * @throws BioTrakrError CONFIG_UNREADABLE, CONFIG_INVALID, DATASET_UNREADABLE, DATASET_INVALID
 */
export function openSource(source: AgentConfig['sources'][number], parts: Parts): Source {
  switch (source.kind) {
    case 'simulated': {
      const { seed, startMs, tags } = source
      return createWardSource(createWard({ seed, startMs, tags }), parts)
    }
    case 'dataset':
      return openDataset(source, parts)
    case 'ble':
      return openBle({ ...parts, ...bleParts(source, parts.tags) })
  }
}
