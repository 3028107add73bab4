import { randomBytes, randomUUID } from 'node:crypto'

import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { KEY_BYTES, keyIdOf, masterKeyId, type NamedKey, open, type Place, seal } from './envelope.ts'
import type { KEY_PURPOSES } from './lists.ts'
import { currentOrg } from './scope.ts'

export type KeyPurpose = (typeof KEY_PURPOSES)[number]

/** Master keys, the first of which wraps what is new; an older one only opens, until everything is wrapped again. */
export interface Vault {
  readonly current: NamedKey
  find(id: string): NamedKey | undefined
}

/**
 * @param texts each 64 hexadecimal digits, as `openssl rand -hex 32` writes them; the current one first
 * @throws BioTrakrError CONFIG_INVALID; never with what the text was
 */
export function createVault(texts: readonly [string, ...string[]]): Vault {
  const [current, ...older] = texts.map(masterKey)
  if (!current) throw badMaster()
  const all = [current, ...older]
  return { current, find: (id) => all.find((key) => key.id === id) }
}

function masterKey(text: string): NamedKey {
  if (!/^[0-9a-f]{64}$/i.test(text.trim())) throw badMaster()
  const key = Buffer.from(text.trim(), 'hex')
  return { id: masterKeyId(key), key }
}

function badMaster(): BioTrakrError {
  return new BioTrakrError('A master key is not 64 hexadecimal digits', {
    code: 'CONFIG_INVALID',
    next: 'Make one with `openssl rand -hex 32`, into the file named by keys.masterKeyFile.',
  })
}

interface DataKeyRow {
  readonly id: string
  readonly wrapped: Buffer | null
  readonly org: number
}

const COLUMNS = 'id, wrapped_key as wrapped, org_id as org'

function dataKeyPlace(id: string, orgId: number): Place {
  return { table: 'iam.data_key', column: 'wrapped_key', row: id, orgId }
}

/** Makes a key of the organisation, wrapped, as its active one. Where another was made at the same moment, that one counts. */
export async function makeDataKey(client: ClientBase, vault: Vault, purpose: KeyPurpose): Promise<void> {
  const orgId = await currentOrg(client)
  const id = randomUUID()
  const wrapped = seal(randomBytes(KEY_BYTES), vault.current, dataKeyPlace(id, orgId))
  await client.query(
    `insert into iam.data_key (id, org_id, purpose, wrapped_key, master_ref) values ($1, $2, $3, $4, $5)
     on conflict (org_id, purpose) where state = 'active' do nothing`,
    [id, orgId, purpose, wrapped, vault.current.id],
  )
}

/** The active key of the organisation; made when there is none yet. */
export async function activeKey(client: ClientBase, vault: Vault, purpose: KeyPurpose): Promise<NamedKey> {
  // The lock keeps a rotation from retiring the key before the work of this transaction stands.
  const find = () =>
    client.query<DataKeyRow>(
      `select ${COLUMNS} from iam.data_key where org_id = (select iam.current_org()) and purpose = $1 and state = 'active'
       for share`,
      [purpose],
    )
  const { rows } = await find()
  if (rows[0]) return unwrap(vault, rows[0])
  await makeDataKey(client, vault, purpose)
  const made = (await find()).rows[0]
  if (made) return unwrap(vault, made)
  throw new BioTrakrError(`The organisation has no active key for ${purpose}`, {
    code: 'KEY_INVALID',
    next: 'Try again; another process may be rotating the keys.',
  })
}

/** Every key of the organisation that can still open or find something, for one purpose; the active one first. */
export async function usableKeys(client: ClientBase, vault: Vault, purpose: KeyPurpose): Promise<NamedKey[]> {
  const { rows } = await client.query<DataKeyRow>(
    `select ${COLUMNS} from iam.data_key where org_id = (select iam.current_org()) and purpose = $1
       and state <> 'destroyed' order by state = 'active' desc, created_at desc`,
    [purpose],
  )
  return rows.map((row) => unwrap(vault, row))
}

/** Wraps a key of the organisation by the current master key. @returns undefined when that is so already */
export function rewrap(vault: Vault, id: string, { orgId, wrapped }: Wrapped): Buffer | undefined {
  if (keyIdOf(wrapped) === vault.current.id) return undefined
  const { key } = unwrap(vault, { id, wrapped, org: orgId })
  return seal(key, vault.current, dataKeyPlace(id, orgId))
}

interface Wrapped {
  readonly orgId: number
  readonly wrapped: Buffer
}

function unwrap(vault: Vault, { id, wrapped, org }: DataKeyRow): NamedKey {
  const master = wrapped && vault.find(keyIdOf(wrapped) ?? '')
  if (!master || !wrapped) {
    throw new BioTrakrError(`The key ${id} is wrapped by a master key that this process does not have`, {
      code: 'KEY_INVALID',
      next: 'Name the master key file of this database in keys.masterKeyFile, or the one before in keys.previousMasterKeyFile.',
    })
  }
  return { id, key: open(wrapped, master, dataKeyPlace(id, org)) }
}

function personKeyPlace(id: string, orgId: number): Place {
  return { table: 'care.person_key', column: 'key_env', row: id, orgId }
}

/** Makes a key for one person, wrapped by the organisation's. */
export async function makePersonKey(client: ClientBase, vault: Vault): Promise<NamedKey> {
  const orgId = await currentOrg(client)
  const wrapping = await activeKey(client, vault, 'pii')
  const key: NamedKey = { id: randomUUID(), key: randomBytes(KEY_BYTES) }
  await client.query('insert into care.person_key (id, org_id, data_key_id, key_env) values ($1, $2, $3, $4)', [
    key.id,
    orgId,
    wrapping.id,
    seal(key.key, wrapping, personKeyPlace(key.id, orgId)),
  ])
  return key
}

/** @param wrappings keys of the organisation, from `usableKeys` */
export function openPersonKey(envelope: Buffer, id: string, { orgId, wrappings }: PersonKeyContext): NamedKey {
  const wrapping = wrappings.find((key) => key.id === keyIdOf(envelope))
  if (wrapping) return { id, key: open(envelope, wrapping, personKeyPlace(id, orgId)) }
  throw new BioTrakrError(`The key of a person (${id}) is wrapped by a key that was destroyed`, {
    code: 'KEY_INVALID',
    next: 'What it sealed cannot be read any more; erase the person.',
  })
}

export interface PersonKeyContext {
  readonly orgId: number
  readonly wrappings: readonly NamedKey[]
}

/** The same key of a person under another key of the organisation. */
export function rewrapPersonKey(envelope: Buffer, id: string, context: PersonKeyContext & { to: NamedKey }): Buffer {
  return seal(openPersonKey(envelope, id, context).key, context.to, personKeyPlace(id, context.orgId))
}
