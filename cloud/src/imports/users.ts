import type { ClientBase } from 'pg'
import { z } from 'zod'

import { matching, text } from './cell-types.ts'
import { type Column, type Row, textIn } from './column.ts'
import { type Findings, mask } from './findings.ts'
import type { ImportMode } from './lists.ts'

const isEmail = (cell: string) => cell.length <= 254 && z.email().safeParse(cell).success

/** One row for each role of an account. There are no passwords in files: who is new is invited. */
export const USER_COLUMNS: readonly Column[] = [
  {
    name: 'email',
    aliases: ['e_mail', 'mail'],
    type: matching(isEmail, 'an e-mail address'),
    required: true,
    personal: true,
    about: 'address, by which the account signs in',
  },
  {
    name: 'display_name',
    aliases: ['name'],
    type: text(200),
    required: true,
    personal: true,
    about: 'name of the person',
  },
  { name: 'role', type: text(63), about: 'code of a role; a person with several has several rows' },
  { name: 'facility', type: text(64), about: 'code of the facility in which the role holds; empty = in all' },
]

/** How accounts are made and given roles. */
export interface UserFlows {
  invite(client: ClientBase, input: { email: string; name: string }): Promise<{ code: string; until: Date }>
  grant(client: ClientBase, email: string, grant: { role: string; facility?: string | undefined }): Promise<void>
}

interface Invited {
  readonly email: string
  readonly code: string
  readonly until: Date
}

export interface UserPlan {
  readonly news: readonly { readonly email: string; readonly name: string }[]
  readonly grants: readonly { readonly email: string; readonly role: string; readonly facility?: string | undefined }[]
  readonly skipped: number
  readonly rows: number
}

interface Known {
  readonly roles: ReadonlySet<string>
  readonly facilities: ReadonlySet<string>
  readonly accounts: ReadonlySet<string>
  readonly grants: ReadonlySet<string>
}

const grantKey = (email: string, role = '', facility = '') => `${email}\n${role}\n${facility}`

export async function planUsers(
  client: ClientBase,
  rows: readonly Row[],
  { mode, findings }: { readonly mode: ImportMode; readonly findings: Findings },
): Promise<UserPlan> {
  const known = await readKnown(client)
  const seen = new Map<string, number>()
  const news = new Map<string, string>()
  const grants: { email: string; role: string; facility?: string | undefined }[] = []
  let skipped = 0
  for (const row of rows.filter((each) => !findings.rows.has(each.row))) {
    const wanted = wantedOf(row)
    const { email, role } = wanted
    checkNames(row, { known, findings, seen, key: grantKey(email, role, wanted.facility) })
    const isStanding = isThere(known, wanted)
    if (isStanding && mode === 'insert') refuseThere(row, findings)
    else if (isStanding) skipped += 1
    if (isStanding || findings.rows.has(row.row)) continue
    if (!known.accounts.has(email) && !news.has(email)) news.set(email, textIn(row, 'display_name') ?? email)
    if (role !== undefined) grants.push({ ...wanted, role })
  }
  const people = [...news].map(([email, name]) => ({ email, name }))
  return { news: people, grants, skipped, rows: rows.length }
}

interface Named {
  readonly email: string
  readonly role: string | undefined
  readonly facility: string | undefined
}

function wantedOf(row: Row): Named {
  const email = (textIn(row, 'email') ?? '').toLowerCase()
  return { email, role: textIn(row, 'role'), facility: textIn(row, 'facility') }
}

function isThere({ accounts, grants }: Known, { email, role, facility }: Named): boolean {
  return role === undefined ? accounts.has(email) : grants.has(grantKey(email, role, facility))
}

function refuseThere(row: Row, findings: Findings): void {
  const message = 'is there already; --mode skip-existing leaves it'
  const value = mask(textIn(row, 'email') ?? '')
  findings.add({ row: row.row, column: 'email', code: 'EXISTS', message, value })
}

async function readKnown(client: ClientBase): Promise<Known> {
  const set = async (sql: string) => new Set((await client.query<{ key: string }>(sql)).rows.map(({ key }) => key))
  return {
    roles: await set('select code as key from iam.role'),
    facilities: await set('select code as key from site.facility'),
    accounts: await set('select email as key from iam.account'),
    grants: await set(
      `select a.email || e'\\n' || r.code || e'\\n' || coalesce(f.code, '') as key from iam.account_role g
       join iam.account a on a.org_id = g.org_id and a.id = g.account_id join iam.role r on r.org_id = g.org_id and r.id = g.role_id
       left join site.facility f on f.org_id = g.org_id and f.id = g.facility_id where g.to_t is null`,
    ),
  }
}

interface NamesIn {
  readonly known: Known
  readonly findings: Findings
  readonly seen: Map<string, number>
  readonly key: string
}

function checkNames(row: Row, { known, findings, seen, key }: NamesIn): void {
  const first = seen.get(key)
  if (first !== undefined) {
    const value = mask(textIn(row, 'email') ?? '')
    findings.add({
      row: row.row,
      column: 'email',
      code: 'DUPLICATE_IN_FILE',
      message: `is in row ${first} already`,
      value,
    })
  } else seen.set(key, row.row)
  for (const [column, list] of [
    ['role', known.roles],
    ['facility', known.facilities],
  ] as const) {
    const value = textIn(row, column)
    if (value === undefined || list.has(value)) continue
    findings.add({ row: row.row, column, code: 'UNKNOWN_REF', message: `must name a ${column} that is there`, value })
  }
}

/** @returns a code for each new account, with which its owner sets a password, once */
export async function writeUsers(client: ClientBase, plan: UserPlan, flows: UserFlows): Promise<Invited[]> {
  const invited: Invited[] = []
  for (const { email, name } of plan.news) invited.push({ email, ...(await flows.invite(client, { email, name })) })
  for (const { email, ...grant } of plan.grants) await flows.grant(client, email, grant)
  return invited
}

export const USERS_EXPORT = `select a.email, a.display_name, r.code, f.code from iam.account a
  left join iam.account_role g on g.org_id = a.org_id and g.account_id = a.id and g.to_t is null
  left join iam.role r on r.org_id = g.org_id and r.id = g.role_id
  left join site.facility f on f.org_id = g.org_id and f.id = g.facility_id
  order by a.email collate "C", r.code collate "C", f.code collate "C"`
