import { randomUUID } from 'node:crypto'

import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, notFound } from './input.ts'
import { PERMISSIONS, type Permission, SYSTEM_ROLES } from './lists.ts'

export interface Role {
  readonly code: string
  readonly name: string
  /** Of the product: the same in every organisation, not to be changed. */
  readonly system: boolean
  readonly permissions: readonly Permission[]
  readonly version: number
}

const code = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,62}$/, 'must be lower-case letters, digits and _, starting with a letter')
const name = z.string().trim().min(1).max(200)
const permissions = z.array(z.enum(PERMISSIONS)).min(1).max(PERMISSIONS.length)
const roleSchema = z.strictObject({ code, name, permissions })
const changeSchema = z.strictObject({ name: name.optional(), permissions: permissions.optional() })

const ROLE = 'code, name, system, permissions, row_version as version'

/** Gives the tenant of the scope the system roles of this release, and brings those that it has up to date. */
export async function ensureSystemRoles(client: ClientBase): Promise<void> {
  const stored = new Map((await listRoles(client)).map((role) => [role.code, role]))
  for (const { code: key, name: title, permissions: wanted } of SYSTEM_ROLES) {
    const role = stored.get(key)
    const sorted = [...wanted].sort()
    if (role?.system && role.name === title && String(role.permissions) === String(sorted)) continue
    await client.query(
      `insert into iam.role (id, org_id, code, name, system, permissions) values ($1, iam.current_org(), $2, $3, true, $4)
       on conflict (org_id, code) do update set name = $3, system = true, permissions = $4`,
      [randomUUID(), key, title, sorted],
    )
  }
}

export async function listRoles(client: ClientBase): Promise<readonly Role[]> {
  const { rows } = await client.query<Role>(
    `select ${ROLE} from iam.role where org_id = iam.current_org() order by system desc, code`,
  )
  return rows
}

/** @throws BioTrakrError INPUT_INVALID, CONFLICT */
export async function addRole(client: ClientBase, input: unknown): Promise<Role> {
  const role = checkInput(roleSchema, input)
  const { rows } = await client.query<Role>(
    `insert into iam.role (id, org_id, code, name, permissions) values ($1, iam.current_org(), $2, $3, $4)
     on conflict (org_id, code) do nothing returning ${ROLE}`,
    [randomUUID(), role.code, role.name, [...new Set(role.permissions)].sort()],
  )
  if (rows[0]) return rows[0]
  throw new BioTrakrError(`There is a role "${role.code}" already`, {
    code: 'CONFLICT',
    next: 'Choose another code, or change that role.',
  })
}

/**
 * Changes a role that the tenant made; it holds for everyone who has it from the next request on.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, or CONFLICT for a system role
 */
export async function changeRole(client: ClientBase, key: string, change: unknown): Promise<Role> {
  const wanted = checkInput(changeSchema, change)
  const before = (await listRoles(client)).find((role) => role.code === key)
  if (!before) throw unknownRole(key)
  if (before.system) {
    throw new BioTrakrError(`"${key}" is a role of the product and stays as it is`, {
      code: 'CONFLICT',
      next: 'Add a role of your own with the rights that you want.',
    })
  }
  const rights = wanted.permissions ? [...new Set(wanted.permissions)].sort() : before.permissions
  const { rows } = await client.query<Role>(
    `update iam.role set name = $2, permissions = $3
     where org_id = iam.current_org() and code = $1 and not system returning ${ROLE}`,
    [key, wanted.name ?? before.name, rights],
  )
  return rows[0] ?? before
}

export function unknownRole(key: string): BioTrakrError {
  return notFound(`role "${key}"`, 'See `biotrakr-cloud roles list`.')
}
