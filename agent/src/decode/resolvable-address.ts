import type { Aes, BlockCipher } from './aes.ts'

/** Whether an address is a resolvable private one: random, its two top bits 01 (Bluetooth Core 5.4, Vol 6 Part B 1.3.2). */
export function isResolvable(address: Uint8Array): boolean {
  return ((address[0] ?? 0) & 0xc0) === 0x40
}

/** Whether a random address is private at all (resolvable or not), so that it changes within minutes. */
export function isPrivate(address: Uint8Array): boolean {
  return ((address[0] ?? 0) & 0x80) === 0
}

/**
 * Ciphers of one identity resolving key. The specification writes the key most significant byte first; exports of
 * Apple's key chain and of ESPresense are the other way round, and a key does not tell: both orders are tried.
 * @param irk 16 bytes
 */
export function irkCiphers(aes: Aes, irk: Uint8Array): readonly BlockCipher[] {
  return [aes.ecb(irk), aes.ecb(irk.toReversed())]
}

const block = new Uint8Array(16)

/**
 * Whether the address was made with the key: its last three bytes are the key's hash of its first three (Bluetooth
 * Core 5.4, Vol 3 Part H 2.2.2).
 * @param address six bytes, most significant first
 */
export function resolves(cipher: BlockCipher, address: Uint8Array): boolean {
  const hash = addressHash(cipher, address)
  return hash[13] === address[3] && hash[14] === address[4] && hash[15] === address[5]
}

/** The block whose last three bytes are the hash of the address's random part. */
export function addressHash(cipher: BlockCipher, address: Uint8Array): Uint8Array {
  block.set(address.subarray(0, 3), 13)
  return cipher.encrypt(block)
}
