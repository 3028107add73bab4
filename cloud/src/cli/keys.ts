import { BioTrakrError } from '@biotrakr/shared'
import { type Command, Option } from 'commander'

import type { TenantSession } from '../administration.ts'
import type { CloudConfig } from '../config.ts'
import {
  beginRotation,
  destroyKey,
  KEY_PURPOSES,
  type KeyPurpose,
  type ListedKey,
  listKeys,
  rewrapKeys,
  rotateBatch,
  type Vault,
  vaultOf,
} from '../people.ts'
import { type Common, commandOf, print } from './options.ts'
import { inTenant } from './tenant-command.ts'

interface RotateOptions extends Common {
  readonly purpose: KeyPurpose
}

/** Rows in one transaction: short enough that nobody who admits a patient waits for it. */
const BATCH = 200

/** `biotrakr-cloud keys ...`: what names and numbers of people are sealed with. */
export function addKeys(cloud: Command): void {
  const group = cloud
    .command('keys')
    .description(
      "keys of the organisation, which seal people's names and numbers (as bt_jobs, with keys.masterKeyFile)",
    )
  commandOf(group, 'list', 'every key: what for, its state, and how many rows need it; never the key').action(list)
  commandOf(group, 'rotate', 'make a new key and put everything under it; goes on where it was interrupted')
    .addOption(new Option('--purpose <purpose>', 'which key').choices([...KEY_PURPOSES]).default('pii'))
    .action(rotate)
  commandOf(group, 'destroy <id>', 'destroy for good a key that nothing needs any more').action(destroy)
  commandOf(group, 'rewrap', 'wrap all keys by the master key, after keys.masterKeyFile was changed').action(rewrap)
}

async function list({ config, json }: Common): Promise<void> {
  const keys = await inTenant(config, ({ read }) => read(listKeys))
  print(json, keys, keys.length === 0 ? ['there is no key yet; the first person makes one'] : keys.map(line))
}

async function rotate({ config, json, purpose }: RotateOptions): Promise<void> {
  const report = await inTenant(config, (tenant, file) => rotateAll(tenant, { vault: vaultFor(file, config), purpose }))
  const begun = report.resumed ? 'went on with the rotation that was interrupted' : 'made a new key'
  print(json, report, [`${begun}; ${report.rows} rows are under it now`])
}

interface Rotation {
  readonly vault: Vault
  readonly purpose: KeyPurpose
}

async function rotateAll({ write }: TenantSession, { vault, purpose }: Rotation) {
  const resumed = await write((client) => beginRotation(client, vault, purpose))
  let rows = 0
  for (;;) {
    const done = await write((client) => rotateBatch(client, vault, { purpose, size: BATCH }))
    if (done === 0) return { resumed, rows }
    rows += done
  }
}

async function destroy(id: string, { config, json }: Common): Promise<void> {
  await inTenant(config, ({ write }) => write((client) => destroyKey(client, id)))
  print(json, { destroyed: id }, [`${id} is destroyed`])
}

async function rewrap({ config, json }: Common): Promise<void> {
  const wrapped = await inTenant(config, ({ write }, file) => {
    const vault = vaultFor(file, config)
    return write((client) => rewrapKeys(client, vault))
  })
  print(json, { wrapped }, [`${wrapped} keys were wrapped again; keys.previousMasterKeyFile is not needed any more`])
}

/** @throws BioTrakrError CONFIG_INVALID */
export function vaultFor(config: CloudConfig, file: string): Vault {
  const vault = vaultOf(config)
  if (vault) return vault
  throw new BioTrakrError(`${file} names no master key`, {
    code: 'CONFIG_INVALID',
    next: 'Set keys.masterKeyFile to a file of 64 hexadecimal digits (`openssl rand -hex 32`) that only this user can read.',
  })
}

function line({ id, purpose, state, master, createdAt, uses }: ListedKey): string {
  return `${id}  ${purpose}  ${state}  made ${createdAt.toISOString()}  ${uses} rows  master ${master.slice(0, 8)}`
}
