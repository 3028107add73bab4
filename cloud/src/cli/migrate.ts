import { pino } from 'pino'

import { databaseAccess } from '../access.ts'
import { asOwner, migrate, migrationStatus } from '../administration.ts'
import { readConfig } from '../config.ts'

interface ConfigOption {
  readonly config: string
}

/** `biotrakr-cloud migrate [deploy]` */
export async function runMigrations({ config: file }: ConfigOption): Promise<void> {
  const config = readConfig(file)
  const log = pino({ name: 'biotrakr-migrate', level: config.log.level })
  await asOwner(databaseAccess(config, 'biotrakr-migrate'), (client) => migrate(client, { log }))
}

/** `biotrakr-cloud migrate status`: exit code 1 when something is not as it should be. */
export async function showMigrations({ config: file, json }: ConfigOption & { readonly json: boolean }): Promise<void> {
  const statuses = await asOwner(databaseAccess(readConfig(file), 'biotrakr-migrate'), (client) =>
    migrationStatus(client),
  )
  if (json) process.stdout.write(`${JSON.stringify(statuses)}\n`)
  else {
    for (const { name, state, finishedAt, lastFailure } of statuses) {
      const when = finishedAt ? `  ${finishedAt.toISOString()}` : ''
      process.stdout.write(`${state.padEnd(10)} ${name}${when}${lastFailure ? `  last failure: ${lastFailure}` : ''}\n`)
    }
  }
  if (statuses.some(({ state }) => state !== 'applied')) process.exitCode = 1
}
