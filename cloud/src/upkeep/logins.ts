import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

import { BioTrakrError } from '@biotrakr/shared'
import { type Client, escapeIdentifier, escapeLiteral } from 'pg'

/** The logins that the migrations make, without a password: nobody can use them until one is set. */
const LOGINS = ['bt_ingest', 'bt_api', 'bt_ca', 'bt_jobs', 'bt_backup'] as const

const ITERATIONS = 4_096
const MIN_LENGTH = 16

/**
 * What PostgreSQL keeps of a password (SCRAM-SHA-256, RFC 5802 and 7677; form as in pg_authid.rolpassword). Made here, so
 * that the password itself is in no statement, and so in no log and no view of the server.
 */
export function scramVerifier(password: string, salt: Uint8Array = randomBytes(16)): string {
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, ITERATIONS, 32, 'sha256')
  const keyed = (text: string) => createHmac('sha256', salted).update(text).digest()
  const stored = createHash('sha256').update(keyed('Client Key')).digest('base64')
  const server = keyed('Server Key').toString('base64')
  return `SCRAM-SHA-256$${ITERATIONS}:${Buffer.from(salt).toString('base64')}$${stored}:${server}`
}

/**
 * Sets the password of a login.
 * @throws BioTrakrError USAGE for a login that is not one of the product, or a short password
 */
export async function setPassword(client: Pick<Client, 'query'>, login: string, password: string): Promise<void> {
  if (!LOGINS.some((known) => known === login)) {
    throw new BioTrakrError(`${login} is no login of this product`, {
      code: 'USAGE',
      next: `It has ${LOGINS.join(', ')}.`,
    })
  }
  if (password.length < MIN_LENGTH) {
    throw new BioTrakrError(`the password of ${login} is shorter than ${MIN_LENGTH} characters`, {
      code: 'USAGE',
      next: 'Make a long random one, for example with `openssl rand -hex 32`.',
    })
  }
  await client.query(`alter role ${escapeIdentifier(login)} password ${escapeLiteral(scramVerifier(password))}`)
}
