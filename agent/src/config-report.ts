import { existsSync } from 'node:fs'

import { BioTrakrError, explainError } from '@biotrakr/shared'

import { type AgentConfig, readConfig, readCredential, readSecret } from './config.ts'

interface ConfigProblem {
  readonly code: string
  /** What is wrong and where, with the next step. */
  readonly text: string
}

interface Checked {
  readonly config?: AgentConfig
  readonly problems: readonly ConfigProblem[]
}

/**
 * Everything that keeps a configuration from being used, as far as it can be found out without opening a port or a radio.
 * @param openSources makes the sources without starting them; throws what is wrong with them
 */
export function checkConfig(file: string, openSources: (config: AgentConfig) => unknown): Checked {
  const problems: ConfigProblem[] = []
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work()
    } catch (error) {
      problems.push(problemOf(error))
      return undefined
    }
  }
  const config = attempt(() => readConfig(file, { needsSite: false }))
  if (!config) return { problems }
  for (const name of secretsOf(config)) attempt(() => readSecret(name))
  for (const name of certificatesOf(config)) attempt(() => readCredential(name))
  attempt(() => openSources(config))
  return { config, problems }
}

function secretsOf({ broker, centre, api, outbox }: AgentConfig): readonly string[] {
  const named = [broker.passwordFile, broker.keyFile, centre?.tokenFile, api.keyFile].filter(
    (name) => name !== undefined,
  )
  // The store makes its key at the first start.
  return outbox.keyFile !== undefined && existsSync(outbox.keyFile) ? [...named, outbox.keyFile] : named
}

function certificatesOf({ broker, centre, api }: AgentConfig): readonly string[] {
  return [broker.caFile, broker.certFile, centre?.caFile, api.certFile].filter((name) => name !== undefined)
}

function problemOf(error: unknown): ConfigProblem {
  const code = error instanceof BioTrakrError ? error.code : 'CONFIG_INVALID'
  return { code, text: explainError(error) }
}

const SECRET_NAME = /password|passphrase|secret|token|key$/i
const MASK = '***'

/**
 * What is in force, for people: defaults included, values whose names say that they are secret masked. The survey of the
 * map and the list of tags are told by their numbers.
 */
export function shownConfig(config: AgentConfig): object {
  const { siteMapDocument: map, tags, ...rest } = config
  const site = { version: map.version, rooms: map.rooms.length, receivers: map.receivers.map(({ id }) => id) }
  return masked({ ...rest, tags: `${tags.length} tags`, site }) as object
}

function masked(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => masked(item, key))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, masked(inner, name)]))
  }
  return SECRET_NAME.test(key) && value !== undefined ? MASK : value
}
