import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

/** @returns the organisation of the running transaction, which the scope has set */
export async function currentOrg(client: ClientBase): Promise<number> {
  const { rows } = await client.query<{ org: number | null }>('select iam.current_org() as org')
  const org = rows[0]?.org
  if (typeof org === 'number') return org
  throw new BioTrakrError('No organisation is named for this transaction', {
    code: 'NOT_ALLOWED',
    next: 'Run it within a scope.',
  })
}

/**
 * For what shows or changes people's data: row security would answer with nothing, which looks like nobody being there.
 * @throws BioTrakrError NOT_ALLOWED without a purpose
 */
export async function needPurpose(client: ClientBase): Promise<number> {
  const { rows } = await client.query<{ org: number | null; purpose: string | null }>(
    'select iam.current_org() as org, iam.current_purpose() as purpose',
  )
  const { org, purpose } = rows[0] ?? {}
  if (typeof org === 'number' && typeof purpose === 'string') return org
  throw new BioTrakrError("People's data is given for a purpose only", {
    code: 'NOT_ALLOWED',
    next: 'Say why: the header X-Purpose or the parameter `purpose`; at the command line --purpose. It goes into the audit chain.',
  })
}
