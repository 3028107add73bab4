import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto'

import { BioTrakrError } from '@biotrakr/shared'

/**
 * A value under a key: version (1 byte), id of the key (16), nonce (12), ciphertext, tag (16). AES-256-GCM, NIST SP
 * 800-38D. Nonces are random, which that document allows for 2^32 messages under one key; a person's key seals a handful,
 * an organisation's key one for each person.
 */
const VERSION = 1
const KEY_ID_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES
const INDEX_BYTES = 16

export const KEY_BYTES = 32

/** A key and the name under which an envelope refers to it. */
export interface NamedKey {
  /** UUID. */
  readonly id: string
  /** 32 bytes. */
  readonly key: Uint8Array
}

/** Where a value belongs. An envelope that was moved to another row, column or organisation does not open. */
export interface Place {
  /** Schema and table, for example `care.patient`. */
  readonly table: string
  readonly column: string
  readonly row: string
  readonly orgId: number
}

/** What is authenticated with the value: table|column|row|organisation. None of the parts can hold the separator. */
function associated({ table, column, row, orgId }: Place): Buffer {
  return Buffer.from(`${table}|${column}|${row}|${orgId}`, 'utf8')
}

export function seal(plain: Uint8Array, { id, key }: NamedKey, place: Place): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const head = Buffer.concat([Buffer.from([VERSION]), keyIdBytes(id), nonce])
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  // The head is authenticated as well, so that version and key id are what they were.
  cipher.setAAD(Buffer.concat([associated(place), head.subarray(0, 1 + KEY_ID_BYTES)]))
  return Buffer.concat([head, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** @throws BioTrakrError KEY_INVALID for an envelope that was changed, moved, or sealed with another key */
export function open(envelope: Uint8Array, { id, key }: NamedKey, place: Place): Buffer {
  const bytes = Buffer.from(envelope)
  if (keyIdOf(bytes) !== id) throw unopened(place, 'it names another key')
  const nonce = bytes.subarray(1 + KEY_ID_BYTES, HEAD_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.concat([associated(place), bytes.subarray(0, 1 + KEY_ID_BYTES)]))
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(HEAD_BYTES, bytes.length - TAG_BYTES)), decipher.final()])
  } catch (cause) {
    throw unopened(place, 'its content or its place is not what was sealed', cause)
  }
}

/** @returns the id of the key that opens it; undefined for bytes that are no envelope of a version known here */
export function keyIdOf(envelope: Uint8Array): string | undefined {
  if (envelope[0] !== VERSION || envelope.length < HEAD_BYTES + TAG_BYTES) return undefined
  const hex = Buffer.from(envelope.subarray(1, 1 + KEY_ID_BYTES)).toString('hex')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** Finds equal values without showing them: HMAC-SHA-256 (RFC 2104) of the value, cut to 16 bytes. */
export function blindIndex(key: Uint8Array, value: string): Buffer {
  return createHmac('sha256', key).update(value, 'utf8').digest().subarray(0, INDEX_BYTES)
}

/** Spellings of one number are one: full width, small letters and blanks make no difference. */
export function normalNumber(text: string): string {
  return text.normalize('NFKC').replaceAll(/\s+/g, '').toUpperCase()
}

/** The name of a master key: of a key that nobody may see, something that tells it from another. */
export function masterKeyId(key: Uint8Array): string {
  const digest = createHash('sha256').update('biotrakr master key').update(key).digest()
  return keyIdOf(Buffer.concat([Buffer.from([VERSION]), digest, randomBytes(HEAD_BYTES)])) ?? ''
}

function keyIdBytes(id: string): Buffer {
  return Buffer.from(id.replaceAll('-', ''), 'hex')
}

function unopened({ table, column, row }: Place, why: string, cause?: unknown): BioTrakrError {
  return new BioTrakrError(`${table}.${column} of ${row} does not open: ${why}`, {
    code: 'KEY_INVALID',
    next: 'Restore the row from a backup; if many do not open, the keys are not those of this database.',
    cause,
  })
}
