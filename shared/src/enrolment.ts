import { z } from 'zod'

import { crc32c } from './crc32c.ts'
import { isGatewayId } from './ids.ts'

/**
 * How a box becomes a gateway: an operator makes a code, the box shows it once together with a request for a
 * certificate, and renews that certificate by itself from then on.
 */

/** Random bytes of a code; whoever has them may enrol one box, once, within a quarter of an hour. */
export const ENROLMENT_SECRET_BYTES = 16
/** Leading bytes of the SHA-256 of the centre's CA certificate: the box trusts whoever this CA vouches for. */
export const CA_PIN_BYTES = 16
const CHECK_BYTES = 3
const CODE_BYTES = ENROLMENT_SECRET_BYTES + CA_PIN_BYTES + CHECK_BYTES
const CODE_LETTERS = (CODE_BYTES * 8) / 5
/** Crockford's base 32: no I, L, O and U, so that a code can be read aloud (crockford.com/base32.html). */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const LOOKALIKES: Readonly<Record<string, string>> = { O: '0', I: '1', L: '1' }
const GROUP = 4

export interface EnrolmentCode {
  readonly secret: Uint8Array
  readonly caPin: Uint8Array
}

/** @returns 56 letters and digits in groups of four; the last ones tell a slip of the pen from a wrong code */
export function formatEnrolmentCode({ secret, caPin }: EnrolmentCode): string {
  const bytes = new Uint8Array(CODE_BYTES)
  bytes.set(secret)
  bytes.set(caPin, ENROLMENT_SECRET_BYTES)
  bytes.set(checkOf(bytes.subarray(0, -CHECK_BYTES)), CODE_BYTES - CHECK_BYTES)
  const text = toBase32(bytes)
  return (text.match(new RegExp(`.{${GROUP}}`, 'g')) ?? []).join('-')
}

/** @returns undefined for anything mistyped; case, spaces and hyphens do not matter */
export function parseEnrolmentCode(text: string): EnrolmentCode | undefined {
  if (text.length > 200) return undefined
  const letters = text.toUpperCase().replace(/[\s-]/g, '')
  const bytes = letters.length === CODE_LETTERS ? fromBase32(letters) : undefined
  if (bytes === undefined) return undefined
  const check = checkOf(bytes.subarray(0, -CHECK_BYTES))
  if (!check.every((byte, i) => byte === bytes[CODE_BYTES - CHECK_BYTES + i])) return undefined
  return {
    secret: bytes.slice(0, ENROLMENT_SECRET_BYTES),
    caPin: bytes.slice(ENROLMENT_SECRET_BYTES, ENROLMENT_SECRET_BYTES + CA_PIN_BYTES),
  }
}

function checkOf(bytes: Uint8Array): Uint8Array {
  const crc = crc32c(bytes)
  return Uint8Array.of(crc >>> 16, crc >>> 8, crc)
}

function toBase32(bytes: Uint8Array): string {
  let text = ''
  let held = 0
  let bits = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(held >>> (bits - 5)) & 31]
    held &= 31
  }
  return text
}

function fromBase32(text: string): Uint8Array | undefined {
  const bytes: number[] = []
  let held = 0
  let bits = 0
  for (const letter of text) {
    const value = ALPHABET.indexOf(LOOKALIKES[letter] ?? letter)
    if (value < 0) return undefined
    held = ((held << 5) | value) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes.push((held >>> bits) & 0xff)
  }
  return Uint8Array.from(bytes)
}

export const enrolmentPaths = {
  authority: '/enrol/v1/authority',
  certificate: '/enrol/v1/certificate',
  renewal: '/enrol/v1/renewal',
} as const

const pem = z.string().min(1).max(8_192)
const store = z.string().min(1).max(64)

/** Answer to `authority`: the certificate of the centre's CA, to be compared with the pin. */
export const authorityAnswerSchema = z.object({ ca: pem })
/** Of the request for a certificate (PKCS #10) only the key and the proof that the sender has it count. */
export const certificateRequestSchema = z.strictObject({
  gateway: z.string().refine(isGatewayId),
  /** The secret of the code, hexadecimal. */
  secret: z.string().regex(/^[0-9a-f]{32}$/),
  request: pem,
})
/** Sent with the present certificate, also up to 30 days after it has expired if `store` is the one the centre knows. */
export const renewalRequestSchema = z.strictObject({ request: pem, store: store.optional() })
export const certificateAnswerSchema = z.object({ certificate: pem })
export const enrolmentProblemSchema = z.object({ code: z.string().max(64), detail: z.string().max(500) })
