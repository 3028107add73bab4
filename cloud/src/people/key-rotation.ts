import type { ClientBase } from 'pg'

import { conflict, notFound, parseInput, uuid } from './input.ts'
import { activeKey, type KeyPurpose, makeDataKey, rewrap, rewrapPersonKey, usableKeys, type Vault } from './keyring.ts'
import { numberIndex, openValues, type PersonTable, type SealedRow } from './person-values.ts'
import { currentOrg } from './scope.ts'

/** A key of the organisation as it is listed: never the key. */
export interface ListedKey {
  readonly id: string
  readonly purpose: KeyPurpose
  readonly state: 'active' | 'retired' | 'destroyed'
  /** Name of the master key that wraps it. */
  readonly master: string
  readonly createdAt: Date
  readonly retiredAt: Date | null
  readonly destroyedAt: Date | null
  /** Rows that still need it. */
  readonly uses: number
}

const USES = `
  (select count(*) from care.person_key p where p.org_id = k.org_id and p.data_key_id = k.id and p.destroyed_at is null)
  + (select count(*) from care.patient p where p.org_id = k.org_id and p.index_key_id = k.id)
  + (select count(*) from care.staff s where s.org_id = k.org_id and s.index_key_id = k.id)`

/** The keys of the organisation, newest first. As bt_jobs. */
export async function listKeys(client: ClientBase): Promise<ListedKey[]> {
  const { rows } = await client.query<ListedKey>(
    `select id, purpose, state, master_ref as master, created_at as "createdAt", retired_at as "retiredAt",
       destroyed_at as "destroyedAt", (${USES})::int as uses
     from iam.data_key k where org_id = (select iam.current_org()) order by created_at desc, id`,
  )
  return rows
}

/**
 * First step of a rotation: a new active key. Where an earlier rotation was interrupted, that one is gone on with.
 * @returns whether it is one that was interrupted
 */
export async function beginRotation(client: ClientBase, vault: Vault, purpose: KeyPurpose): Promise<boolean> {
  const keys = (await listKeys(client)).filter((key) => key.purpose === purpose)
  if (keys.some(({ state, uses }) => state === 'retired' && uses > 0)) return true
  await client.query(
    `update iam.data_key set state = 'retired', retired_at = now()
     where org_id = (select iam.current_org()) and purpose = $1 and state = 'active'`,
    [purpose],
  )
  await makeDataKey(client, vault, purpose)
  return false
}

interface Batch {
  readonly purpose: KeyPurpose
  /** Rows at once. */
  readonly size: number
}

/**
 * One batch of a rotation; to be called, each time in a transaction of its own, until it answers 0. In between everything
 * can be read and found: envelopes name their key, and retired keys stay until they are destroyed. As bt_jobs.
 * @returns rows that were put under the active key
 */
export async function rotateBatch(client: ClientBase, vault: Vault, { purpose, size }: Batch): Promise<number> {
  if (purpose === 'pii') return rotatePersonKeys(client, vault, size)
  const patients = await rotateIndexes(client, vault, { table: 'care.patient', size })
  return patients > 0 ? patients : rotateIndexes(client, vault, { table: 'care.staff', size })
}

async function rotatePersonKeys(client: ClientBase, vault: Vault, size: number): Promise<number> {
  const orgId = await currentOrg(client)
  const to = await activeKey(client, vault, 'pii')
  const wrappings = await usableKeys(client, vault, 'pii')
  const { rows } = await client.query<{ id: string; envelope: Buffer }>(
    `select id, key_env as envelope from care.person_key where org_id = $1 and data_key_id <> $2
       and destroyed_at is null order by id limit $3 for update`,
    [orgId, to.id, size],
  )
  await client.query(
    `update care.person_key k set key_env = n.envelope, data_key_id = $2
     from unnest($3::uuid[], $4::bytea[]) as n (id, envelope) where k.org_id = $1 and k.id = n.id`,
    [
      orgId,
      to.id,
      rows.map(({ id }) => id),
      rows.map(({ id, envelope }) => rewrapPersonKey(envelope, id, { orgId, wrappings, to })),
    ],
  )
  return rows.length
}

interface IndexBatch {
  readonly table: PersonTable
  readonly size: number
}

async function rotateIndexes(client: ClientBase, vault: Vault, { table, size }: IndexBatch): Promise<number> {
  const orgId = await currentOrg(client)
  const to = await activeKey(client, vault, 'index')
  const context = { orgId, wrappings: await usableKeys(client, vault, 'pii') }
  const { rows } = await client.query<SealedRow>(
    `select p.id, p.name_env, p.number_env, p.person_key_id, k.key_env from ${table} p
       join care.person_key k on k.org_id = p.org_id and k.id = p.person_key_id
     where p.org_id = $1 and p.index_key_id <> $2 order by p.id limit $3 for update of p`,
    [orgId, to.id, size],
  )
  const indexes = rows.map((row) => numberIndex(to, table, openValues(table, row, context).number ?? ''))
  await client.query(
    `update ${table} p set number_index = n.index, index_key_id = $2
     from unnest($3::uuid[], $4::bytea[]) as n (id, index) where p.org_id = $1 and p.id = n.id`,
    [orgId, to.id, rows.map(({ id }) => id), indexes],
  )
  return rows.length
}

/**
 * Destroys a key that nothing needs any more, for good.
 * @throws BioTrakrError NOT_FOUND, or CONFLICT for an active key and for one that rows still need
 */
export async function destroyKey(client: ClientBase, id: string): Promise<void> {
  const key = (await listKeys(client)).find((one) => one.id === parseInput(uuid, id))
  if (!key || key.state === 'destroyed') throw notFound('key')
  if (key.state === 'active')
    throw conflict('That key is the active one', 'Rotate first: `biotrakr-cloud keys rotate`.')
  if (key.uses > 0) {
    throw conflict(`${key.uses} rows still need that key`, 'Finish the rotation first: `biotrakr-cloud keys rotate`.')
  }
  await client.query(
    `update iam.data_key set state = 'destroyed', wrapped_key = null, destroyed_at = now()
     where org_id = (select iam.current_org()) and id = $1`,
    [id],
  )
}

/** Wraps every key of the organisation by the current master key, in one transaction. @returns how many it changed */
export async function rewrapKeys(client: ClientBase, vault: Vault): Promise<number> {
  const orgId = await currentOrg(client)
  const { rows } = await client.query<{ id: string; wrapped: Buffer }>(
    `select id, wrapped_key as wrapped from iam.data_key where org_id = $1 and state <> 'destroyed' order by id for update`,
    [orgId],
  )
  let changed = 0
  for (const { id, wrapped } of rows) {
    const again = rewrap(vault, id, { orgId, wrapped })
    if (!again) continue
    await client.query('update iam.data_key set wrapped_key = $3, master_ref = $4 where org_id = $1 and id = $2', [
      orgId,
      id,
      again,
      vault.current.id,
    ])
    changed += 1
  }
  return changed
}
