import { type Command, Option } from 'commander'

import { databaseAccess } from '../access.ts'
import { withPool } from '../administration.ts'
import { readConfig } from '../config.ts'
import { vaultOf } from '../people.ts'
import { seed } from '../seeding.ts'
import { systemClock } from '../system-clock.ts'
import { wholeNumber } from './options.ts'
import { operatorName } from './tenant-command.ts'

interface SeedOptions {
  readonly config: string
  readonly json: boolean
  readonly size: 'small' | 'full'
  readonly number: number
}

/** `biotrakr-cloud seed`: a hospital to look at. */
export function addSeed(cloud: Command): void {
  cloud
    .command('seed')
    .description(
      'fill an empty database with a made-up hospital of two facilities, and another tenant (as a superuser)',
    )
    .requiredOption('-c, --config <file>', 'configuration file of this process (YAML)')
    .addOption(new Option('--size <size>', 'how much').choices(['small', 'full']).default('full'))
    .option('--number <n>', 'another number makes another hospital', wholeNumber, 1)
    .option('--json', 'one JSON document instead of plain lines', false)
    .action(runSeed)
}

async function runSeed({ config: file, json, size, number }: SeedOptions): Promise<void> {
  const config = readConfig(file)
  const vault = vaultOf(config)
  const say = (text: string) => void process.stderr.write(`${text}\n`)
  const beginMs = systemClock.wallMs()
  const made = await withPool(databaseAccess(config, 'biotrakr-seed'), (pool) =>
    seed({ pool, actor: operatorName(), vault }, { seed: number, size, nowMs: beginMs, say }),
  )
  const seconds = (systemClock.wallMs() - beginMs) / 1_000
  if (json) process.stdout.write(`${JSON.stringify({ ...made, seconds })}\n`)
  else {
    process.stdout.write(
      `${made.assets} assets, ${made.fixes} fixes, ${made.work} orders of work in ${seconds.toFixed(1)} s\n`,
    )
    process.stdout.write('Codes with which these accounts set a password, printed this once, good for three days:\n')
    for (const { email, code } of made.invitations) process.stdout.write(`  ${email}  ${code}\n`)
  }
  if (!made.people)
    say('No staff and no patients were made: the configuration names no master key (keys.masterKeyFile).')
}
