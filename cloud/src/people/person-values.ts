import type { ClientBase } from 'pg'

import { blindIndex, type NamedKey, normalNumber, open, seal } from './envelope.ts'
import { activeKey, openPersonKey, type PersonKeyContext, usableKeys, type Vault } from './keyring.ts'
import { needPurpose } from './scope.ts'

/** The two tables of people. */
export type PersonTable = 'care.patient' | 'care.staff'

/** What identifies a person, as people write it. */
export interface Identifiers {
  readonly name: string | null
  /** Record number of a patient, employee number of staff. */
  readonly number: string | null
}

interface SealedNumber {
  readonly numberEnv: Buffer | null
  readonly numberIndex: Buffer | null
  readonly indexKeyId: string | null
}

/** One person's row, and the key that opens its values. */
export interface PersonRow {
  readonly table: PersonTable
  readonly id: string
  readonly key: NamedKey
  readonly orgId: number
}

export function sealName({ table, id, key, orgId }: PersonRow, name: string): Buffer {
  return seal(Buffer.from(name, 'utf8'), key, { table, column: 'name_env', row: id, orgId })
}

/** Seals a number and makes the index by which it is found, with the organisation's active index key. */
export async function sealNumber(
  client: ClientBase,
  vault: Vault,
  { row, number }: { readonly row: PersonRow; readonly number: string | null },
): Promise<SealedNumber> {
  if (number === null) return { numberEnv: null, numberIndex: null, indexKeyId: null }
  const { table, id, key, orgId } = row
  const indexKey = await activeKey(client, vault, 'index')
  return {
    numberEnv: seal(Buffer.from(number, 'utf8'), key, { table, column: 'number_env', row: id, orgId }),
    numberIndex: numberIndex(indexKey, table, number),
    indexKeyId: indexKey.id,
  }
}

/** A patient's and an employee's number are different things, so equal ones have different indexes. */
export function numberIndex({ key }: NamedKey, table: PersonTable, number: string): Buffer {
  return blindIndex(key, `${table}|${normalNumber(number)}`)
}

export interface SealedRow {
  readonly id: string
  readonly name_env: Buffer | null
  readonly number_env: Buffer | null
  readonly person_key_id: string
  /** Null once it was destroyed. */
  readonly key_env: Buffer | null
}

/** @returns nulls for a person who was erased */
export function openValues(table: PersonTable, row: SealedRow, context: PersonKeyContext): Identifiers {
  if (row.key_env === null) return { name: null, number: null }
  const key = openPersonKey(row.key_env, row.person_key_id, context)
  const text = (column: 'name_env' | 'number_env') => {
    const envelope = row[column]
    return envelope && open(envelope, key, { table, column, row: row.id, orgId: context.orgId }).toString('utf8')
  }
  return { name: text('name_env'), number: text('number_env') }
}

/** What opens people's keys in this transaction. @throws BioTrakrError NOT_ALLOWED without a purpose */
export async function personKeyContext(client: ClientBase, vault: Vault): Promise<PersonKeyContext> {
  const orgId = await needPurpose(client)
  return { orgId, wrappings: await usableKeys(client, vault, 'pii') }
}

/**
 * Looks a number up by its index under every index key that is not destroyed, so that it is found during a rotation too.
 * @returns the id of the person
 */
export async function findByNumber(
  client: ClientBase,
  vault: Vault,
  { table, number }: { readonly table: PersonTable; readonly number: string },
): Promise<string | undefined> {
  await needPurpose(client)
  for (;;) {
    const keys = await usableKeys(client, vault, 'index')
    // The oldest key first: a rotation moves rows to newer keys only, so none slips by between two questions.
    for (const key of keys.toReversed()) {
      // One equality each: an array would not become an index condition under row security.
      const { rows } = await client.query<{ id: string }>(
        `select id from ${table} where org_id = (select iam.current_org()) and number_index = $1`,
        [numberIndex(key, table, number)],
      )
      if (rows[0]) return rows[0].id
    }
    const now = await usableKeys(client, vault, 'index')
    if (now[0]?.id === keys[0]?.id) return undefined
  }
}
