import { explainError, type TagId } from '@biotrakr/shared'
import type { Logger } from 'pino'

import { type Agent, pipelineSettings } from '../agent.ts'
import { type AgentConfig, readConfig } from '../config.ts'
import { changeOf } from '../reload.ts'

interface ReloadParts {
  readonly file: string
  readonly config: AgentConfig
  /** The list that the sources look into. */
  readonly allow: Set<TagId>
  readonly agent: Pick<Agent, 'reconfigure'>
  readonly log: Logger
  readonly setLevel: (level: AgentConfig['log']['level']) => void
  /** A capture holds the settings it began with, and could not be replayed after a change of them. */
  readonly isCaptured: boolean
}

/**
 * Reads the configuration again and takes over what can be taken over; what cannot is named in the log. A configuration
 * with anything wrong in it changes nothing.
 */
export function createReload({ file, config, allow, agent, log, setLevel, isCaptured }: ReloadParts): () => void {
  const { maxTags } = pipelineSettings(config)
  let current = config
  return () => {
    let next: AgentConfig
    try {
      next = readConfig(file)
    } catch (error) {
      log.error({ event: 'config.refused', error: explainError(error) }, 'the configuration is wrong; nothing changes')
      return
    }
    const { applied } = changeOf(current, next)
    const { needsRestart } = changeOf(config, next)
    if (isCaptured && applied.some((key) => key !== 'log.level')) {
      log.warn(
        { event: 'config.restart_needed', keys: applied },
        'a capture is being written: restart to take these over',
      )
      return
    }
    setLevel(next.log.level)
    allow.clear()
    for (const tag of next.tags.slice(0, maxTags)) allow.add(tag)
    agent.reconfigure(next)
    current = next
    log.info({ event: 'config.reloaded', applied, tags: next.tags.length }, 'the configuration was read again')
    const waiting = next.tags.length > maxTags ? [...needsRestart, `tags beyond ${maxTags}`] : needsRestart
    if (waiting.length > 0) {
      log.warn({ event: 'config.restart_needed', keys: waiting }, 'restart the agent to take these over')
    }
  }
}
