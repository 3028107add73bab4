import type { ClientBase } from 'pg'

import { type CloudConfig, readSecret } from './config.ts'
import { type PurgeReport, purgePeople } from './people/erasure.ts'
import { createVault, type Vault } from './people/keyring.ts'
import { createPeopleDesk, type PeopleDesk } from './people/people-desk.ts'
import { deriveRounds } from './people/rounds.ts'

/** People and their keys: the commands and `serve` reach them here. */
export { importAdmissions } from './people/admissions.ts'
export { beginRotation, destroyKey, type ListedKey, listKeys, rewrapKeys, rotateBatch } from './people/key-rotation.ts'
export type { KeyPurpose, Vault } from './people/keyring.ts'
export { CONSENT_BASES, CONSENT_SCOPES, KEY_PURPOSES, STAFF_GROUPS } from './people/lists.ts'
export { createPeopleDesk, type PeopleDesk } from './people/people-desk.ts'

/** The master keys of a configuration, read from their files. @returns undefined for one that names none */
export function vaultOf({ keys }: Pick<CloudConfig, 'keys'>): Vault | undefined {
  if (!keys) return undefined
  const { masterKeyFile, previousMasterKeyFile } = keys
  const older = previousMasterKeyFile === undefined ? [] : [readSecret(previousMasterKeyFile)]
  return createVault([readSecret(masterKeyFile), ...older])
}

/** @returns undefined for a configuration without a master key */
export function peopleDeskOf(config: CloudConfig): PeopleDesk | undefined {
  const vault = vaultOf(config)
  return vault && createPeopleDesk(vault)
}

/**
 * The scheduled work on people of one organisation: rounds from presence, then erasing whose time is over.
 * @param client logged in as bt_jobs, in a transaction with a scope
 * @param now instant (ISO 8601)
 */
export async function maintainPeople(
  client: ClientBase,
  now: string,
): Promise<{ readonly derived: number; readonly erased: PurgeReport }> {
  return { derived: await deriveRounds(client, now), erased: await purgePeople(client) }
}
