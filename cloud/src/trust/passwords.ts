import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'

import { BioTrakrError } from '@biotrakr/shared'

export interface Passwords {
  /** @returns a text that names the parameters, so that they can be raised later */
  hash(password: string): Promise<string>
  /**
   * Takes as long for `undefined` (no such account) as for a wrong password.
   * @throws BioTrakrError OVERLOADED while too many are waiting
   */
  verify(password: string, stored: string | undefined): Promise<boolean>
  /** True for a text that was made with weaker parameters than those of today. */
  isOutdated(stored: string): boolean
}

interface Cost {
  /** A power of two; memory is 128 x N x r bytes. */
  readonly N: number
  readonly r: number
  readonly p: number
}

/** OWASP Password Storage Cheat Sheet, minimum for scrypt: 128 MiB each. */
const MINIMUM: Cost = { N: 2 ** 17, r: 8, p: 1 }
const BYTES = 32
/** Bounds the memory: 256 MiB at the minimum. */
const AT_ONCE = 2
const MAX_WAITING = 32

/** Makes and compares password hashes by scrypt. */
export function createPasswords(cost: Cost = MINIMUM): Passwords {
  const waiting: (() => void)[] = []
  let running = 0
  const dummy = `scrypt$${cost.N}$${cost.r}$${cost.p}$${randomBytes(16).toString('base64url')}$${randomBytes(BYTES).toString('base64url')}`

  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= AT_ONCE) {
      if (waiting.length >= MAX_WAITING) throw overloaded()
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else running += 1
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }

  return {
    hash: (password) =>
      inTurn(async () => {
        const salt = randomBytes(16)
        const key = await derive(password, { ...cost, salt })
        return `scrypt$${cost.N}$${cost.r}$${cost.p}$${salt.toString('base64url')}$${key.toString('base64url')}`
      }),
    verify: (password, stored) =>
      inTurn(async () => {
        const parts = parse(stored ?? dummy) ?? parse(dummy)
        if (!parts) return false
        const key = await derive(password, parts)
        return timingSafeEqual(key, parts.key) && stored !== undefined
      }),
    isOutdated: (stored) => {
      const parts = parse(stored)
      return !parts || parts.N * parts.r * parts.p < cost.N * cost.r * cost.p
    },
  }
}

interface Parts extends Cost {
  readonly salt: Buffer
  readonly key: Buffer
}

function parse(stored: string): Parts | undefined {
  const [, N, r, p, salt, key] = /^scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,3})\$([\w-]+)\$([\w-]{43})$/.exec(stored) ?? []
  if (salt === undefined || key === undefined) return undefined
  return {
    N: Number(N),
    r: Number(r),
    p: Number(p),
    salt: Buffer.from(salt, 'base64url'),
    key: Buffer.from(key, 'base64url'),
  }
}

function derive(password: string, { N, r, p, salt }: Omit<Parts, 'key'>): Promise<Buffer> {
  const options: ScryptOptions = { N, r, p, maxmem: 256 * N * r }
  return new Promise((resolve, reject) => {
    // One spelling of one password, whatever keyboard it was typed on (RFC 8265).
    scrypt(password.normalize('NFC'), salt, BYTES, options, (error, key) => (error ? reject(error) : resolve(key)))
  })
}

function overloaded(): BioTrakrError {
  return new BioTrakrError('Too many people are signing in at once', {
    code: 'OVERLOADED',
    next: 'Try again in a few seconds.',
  })
}
