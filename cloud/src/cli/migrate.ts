import { randomBytes } from 'node:crypto'

import { BioTrakrError } from '@biotrakr/shared'
import { pino } from 'pino'

import { databaseAccess } from '../access.ts'
import { asOwner, findDrift, migrate, migrationStatus, setPassword } from '../administration.ts'
import { readConfig, readSecret } from '../config.ts'

interface ConfigOption {
  readonly config: string
}

interface DeployOptions extends ConfigOption {
  /** `login=file` each. */
  readonly login: readonly string[]
}

function passwordOf(text: string): readonly [login: string, password: string] {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at), readSecret(text.slice(at + 1))]
  throw new BioTrakrError(`"${text}" is not LOGIN=FILE`, {
    code: 'USAGE',
    next: 'Write for example bt_api=/run/secrets/bt_api-password.',
  })
}

/** `biotrakr-cloud migrate [deploy]` */
export async function runMigrations({ config: file, login }: DeployOptions): Promise<void> {
  const config = readConfig(file)
  const log = pino({ name: 'biotrakr-migrate', level: config.log.level })
  const passwords = login.map(passwordOf)
  await asOwner(databaseAccess(config, 'biotrakr-migrate'), async (client) => {
    await migrate(client, { log })
    for (const [name, password] of passwords) await setPassword(client, name, password)
  })
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

/** `biotrakr-cloud migrate verify`: exit code 1 when the database is not what the migrations make. */
export async function verifySchema({ config: file, json }: ConfigOption & { readonly json: boolean }): Promise<void> {
  const scratch = `biotrakr_verify_${randomBytes(4).toString('hex')}`
  const drift = await findDrift(databaseAccess(readConfig(file), 'biotrakr-migrate'), scratch)
  const { missing, extra } = drift
  if (json) process.stdout.write(`${JSON.stringify(drift)}\n`)
  else {
    for (const line of missing) process.stdout.write(`MISSING  ${line}\n`)
    for (const line of extra) process.stdout.write(`EXTRA    ${line}\n`)
    if (missing.length + extra.length === 0) process.stdout.write('the schema is what the migrations make\n')
  }
  if (missing.length + extra.length > 0) process.exitCode = 1
}
