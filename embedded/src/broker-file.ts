import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** What the launcher tells the broker process, in a file that only their user can read. */
export interface BrokerFile {
  readonly port: number
  readonly maxPacketBytes: number
  readonly users: readonly FileUser[]
}

interface FileUser extends PasswordHash {
  readonly name: string
  /** Topic filters. */
  readonly read: readonly string[]
  readonly write: readonly string[]
}

interface PasswordHash {
  /** Hex. */
  readonly salt: string
  /** Hex of SHA-256 over salt and password: the passwords are 256 random bits, which need no slow hash. */
  readonly hash: string
}

export function hashPassword(password: string): PasswordHash {
  const salt = randomBytes(16)
  return { salt: salt.toString('hex'), hash: digest(salt, password).toString('hex') }
}

export function isPassword({ salt, hash }: PasswordHash, password: Uint8Array): boolean {
  return timingSafeEqual(digest(Buffer.from(salt, 'hex'), password), Buffer.from(hash, 'hex'))
}

function digest(salt: Uint8Array, password: string | Uint8Array): Buffer {
  return createHash('sha256').update(salt).update(password).digest()
}
