import type { BlockCipher } from './aes.ts'

const BLOCK = 16

interface Eax {
  readonly nonce: Uint8Array
  readonly header: Uint8Array
  readonly cipher: Uint8Array
  /** 1 to 16 bytes. */
  readonly tag: Uint8Array
}

/**
 * Opens AES-EAX (Bellare, Rogaway, Wagner: The EAX Mode of Operation, FSE 2004), which Eddystone uses for its encrypted
 * telemetry and which no common library offers. A few blocks each time; speed does not matter here.
 * @returns undefined when the tag does not fit
 */
export function eaxOpen(aes: BlockCipher, { nonce, header, cipher, tag }: Eax): Uint8Array | undefined {
  const counter = omac(aes, 0, nonce)
  const headerMac = omac(aes, 1, header)
  const cipherMac = omac(aes, 2, cipher)
  for (let index = 0; index < tag.length; index++) {
    const expected = at(counter, index) ^ at(headerMac, index) ^ at(cipherMac, index)
    if (expected !== tag[index]) return undefined
  }
  return counterMode(aes, counter, cipher)
}

function at(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0
}

function counterMode(aes: BlockCipher, start: Uint8Array, data: Uint8Array): Uint8Array {
  const counter = start.slice()
  const out = new Uint8Array(data.length)
  for (let from = 0; from < data.length; from += BLOCK) {
    const pad = aes.encrypt(counter)
    for (let index = from; index < Math.min(from + BLOCK, data.length); index++) {
      out[index] = at(data, index) ^ at(pad, index - from)
    }
    increment(counter)
  }
  return out
}

function increment(counter: Uint8Array): void {
  for (let index = BLOCK - 1; index >= 0; index--) {
    counter[index] = (at(counter, index) + 1) & 0xff
    if (counter[index] !== 0) return
  }
}

/** CMAC (NIST SP 800-38B) of a block that holds `tweak`, and then the message. */
function omac(aes: BlockCipher, tweak: number, message: Uint8Array): Uint8Array {
  const data = new Uint8Array(BLOCK + message.length)
  data[BLOCK - 1] = tweak
  data.set(message, BLOCK)
  const once = doubled(aes.encrypt(new Uint8Array(BLOCK)))
  const whole = data.length % BLOCK === 0
  const last = new Uint8Array(BLOCK)
  const lastFrom = whole ? data.length - BLOCK : data.length - (data.length % BLOCK)
  last.set(data.subarray(lastFrom))
  if (!whole) last[data.length % BLOCK] = 0x80
  xorInto(last, whole ? once : doubled(once))
  let mac = new Uint8Array(BLOCK)
  for (let from = 0; from < lastFrom; from += BLOCK) {
    xorInto(mac, data.subarray(from, from + BLOCK))
    mac = Uint8Array.from(aes.encrypt(mac))
  }
  xorInto(mac, last)
  return aes.encrypt(mac)
}

function xorInto(target: Uint8Array, other: Uint8Array): void {
  for (let index = 0; index < BLOCK; index++) target[index] = at(target, index) ^ at(other, index)
}

/** Times x in GF(2^128). */
function doubled(block: Uint8Array): Uint8Array {
  const out = new Uint8Array(BLOCK)
  for (let index = 0; index < BLOCK; index++) {
    out[index] = ((at(block, index) << 1) | (at(block, index + 1) >> 7)) & 0xff
  }
  if (at(block, 0) & 0x80) out[BLOCK - 1] = at(out, BLOCK - 1) ^ 0x87
  return out
}
