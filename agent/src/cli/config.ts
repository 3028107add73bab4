import type { Command } from 'commander'
import { pino } from 'pino'
import { stringify } from 'yaml'

import { type AgentConfig, readConfig } from '../config.ts'
import { configExample, configJsonSchema } from '../config-example.ts'
import { checkConfig, shownConfig } from '../config-report.ts'
import { systemClock } from '../system-clock.ts'
import { openSources } from './open-source.ts'

interface ConfigOptions {
  readonly config: string
  readonly json: boolean
}

/** `biotrakr config`: what may stand in the file, what stands there, and what is wrong with it. */
export function addConfigCommand(biotrakr: Command, exitWith: (code: number) => void): void {
  const group = biotrakr.command('config').description('check, show and explain the configuration file')
  const withFile = (command: Command) =>
    command
      .requiredOption('-c, --config <file>', 'configuration file (YAML)')
      .option('--json', 'one JSON document instead of plain lines', false)
  withFile(
    group.command('check').description('say everything that is wrong with it, with path and mend; exit code 2 if so'),
  ).action((options: ConfigOptions) => exitWith(check(options)))
  withFile(group.command('show').description('what is in force, defaults included, secrets masked')).action(show)
  group
    .command('schema')
    .description('its JSON schema, for editors')
    .action(() => {
      process.stdout.write(`${JSON.stringify(configJsonSchema(), undefined, 2)}\n`)
    })
  group
    .command('example')
    .description('a commented example with every key')
    .action(() => {
      process.stdout.write(configExample())
    })
}

function check({ config: file, json }: ConfigOptions): number {
  const { config, problems } = checkConfig(file, probe)
  if (json) process.stdout.write(`${JSON.stringify({ ok: problems.length === 0, problems })}\n`)
  else if (config && problems.length === 0) {
    const { sources, tags, siteMap, siteVersion } = config
    const site = siteMap === undefined && siteVersion === undefined ? '; the centre has not given a site yet' : ''
    process.stdout.write(`${file} is right: ${sources.length} sources, ${tags.length} tags${site}\n`)
  } else for (const { text } of problems) process.stdout.write(`${text}\n`)
  return problems.length === 0 ? 0 : 2
}

/** Makes the sources, which reads profiles and keys, and starts none. */
function probe(config: AgentConfig): void {
  const parts = { clock: systemClock, random: Math.random, log: pino({ level: 'silent' }), startMs: 0 }
  openSources(config.sources, { ...parts, allow: new Set(config.tags), tags: config.tags })
}

function show({ config: file, json }: ConfigOptions): void {
  const shown = shownConfig(readConfig(file))
  process.stdout.write(json ? `${JSON.stringify(shown)}\n` : stringify(shown))
}
