import { BioTrakrError, type Clock, type Random, type TagId } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'
import type { Logger } from 'pino'

import type { AgentConfig } from '../config.ts'
import { bleParts, type OnHeard, openBle, openDataset, openReader, type Source } from '../sources.ts'
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
 * @throws BioTrakrError CONFIG_UNREADABLE, CONFIG_INVALID, DATASET_UNREADABLE, DATASET_INVALID, PROFILE_INVALID,
 * PORT_ADDRESS, READER_SETTINGS
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
    case 'reader':
      return openReader(source, parts)
  }
}

/**
 * All sources as they are configured.
 * @throws BioTrakrError as `openSource` does; CONFIG_INVALID with every problem when several sources cannot be opened
 */
export function openSources(sources: AgentConfig['sources'], parts: Parts): Source[] {
  const opened: Source[] = []
  const problems: BioTrakrError[] = []
  for (const source of sources) {
    try {
      opened.push(openSource(source, parts))
    } catch (error) {
      if (!(error instanceof BioTrakrError)) throw error
      problems.push(error)
    }
  }
  const [first] = problems
  if (first === undefined) return opened
  if (problems.length === 1) throw first
  throw new BioTrakrError(problems.map(({ message }) => message).join('\n'), {
    code: 'CONFIG_INVALID',
    next: 'Correct the sources in the configuration file.',
  })
}
