import { createCipheriv, createDecipheriv, createHmac, type KeyObject, randomBytes } from 'node:crypto'

import { type Epoch, formatEpoch } from '@biotrakr/shared'

const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * What a group is bound to: moved to another row, epoch or gateway it no longer opens.
 *
 * `form` is the version of what is inside. Old versions must stay readable for ever.
 * 1: a wire batch. 2: two bytes n (little endian), n bytes with one bit a record (set = room change), a wire batch that
 * is not deflated, in Brotli (RFC 7932). 3: as 2, the batch deflated (RFC 1951) with a preset dictionary.
 */
export interface GroupLabel {
  readonly gateway: string
  readonly epoch: Epoch
  readonly first: number
  readonly last: number
}

type Label =
  | (GroupLabel & { readonly form: 1 | 2 })
  | (GroupLabel & { readonly form: 3; readonly dictionary: number })
  /** A dictionary itself, in force from sequence number `from` on. */
  | { readonly gateway: string; readonly epoch: Epoch; readonly dictionary: number; readonly from: number }

function aad(label: Label): Buffer {
  const owner = `${label.gateway}|${formatEpoch(label.epoch)}`
  if ('from' in label) return Buffer.from(`${owner}|dictionary|${label.dictionary}|${label.from}`)
  const group = `${owner}|${label.first}|${label.last}|${label.form}`
  return Buffer.from(label.form === 3 ? `${group}|${label.dictionary}` : group)
}

/**
 * AES-256-GCM: nonce, ciphertext, tag. The nonce is random and not taken from the sequence number, because a store
 * restored from an image would use it twice. NIST SP 800-38D section 8.3 allows 2^32 random nonces a key: at one blob a
 * second 136 years.
 */
export function seal(plain: Uint8Array, key: KeyObject, label: Label): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(aad(label))
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** @returns undefined when the blob was altered, or sealed with another key or for another label */
export function unseal(blob: Uint8Array, key: KeyObject, label: Label): Uint8Array | undefined {
  const end = blob.length - TAG_BYTES
  if (end < NONCE_BYTES) return undefined
  const nonce = blob.subarray(0, NONCE_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(aad(label)).setAuthTag(blob.subarray(end))
  // GCM is a stream mode: update() returns everything, final() only checks the tag and throws when it is wrong.
  const plain = decipher.update(blob.subarray(NONCE_BYTES, end))
  try {
    decipher.final()
  } catch {
    return undefined
  }
  return plain
}

/** Tells a wrong key from damaged data, without telling anything of the key. */
export function keyCheck(key: KeyObject): Buffer {
  return createHmac('sha256', key).update('biotrakr outbox key check').digest().subarray(0, 16)
}
