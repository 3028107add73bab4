import { describe, expect, it } from 'vitest'

import { createPasswords } from './passwords.ts'

const CHEAP = { N: 2 ** 10, r: 8, p: 1 }

describe('a password', () => {
  it('is kept as a salted hash that names its parameters, and is known again', async () => {
    const passwords = createPasswords(CHEAP)
    const [first, second] = [await passwords.hash('correct horse'), await passwords.hash('correct horse')]
    expect(first).toMatch(/^scrypt\$1024\$8\$1\$/)
    expect(first).not.toBe(second)
    expect(await passwords.verify('correct horse', first)).toBe(true)
    expect(await passwords.verify('correct horsf', first)).toBe(false)
  })

  it('is hashed at the minimum of OWASP where nothing else is said', async () => {
    expect(await createPasswords().hash('correct horse')).toMatch(/^scrypt\$131072\$8\$1\$/)
  })

  it('is never right where there is no account, or where what is stored is damaged', async () => {
    const passwords = createPasswords(CHEAP)
    expect(await passwords.verify('anything', undefined)).toBe(false)
    expect(await passwords.verify('anything', 'scrypt$damaged')).toBe(false)
  })

  it('is the same however its letters are composed', async () => {
    const passwords = createPasswords(CHEAP)
    expect(await passwords.verify('cafe\u0301 au lait', await passwords.hash('caf\u00e9 au lait'))).toBe(true)
  })

  it('says when it was hashed with less than today', async () => {
    const old = await createPasswords({ ...CHEAP, N: 2 ** 9 }).hash('correct horse')
    const passwords = createPasswords(CHEAP)
    expect(passwords.isOutdated(old)).toBe(true)
    expect(passwords.isOutdated(await passwords.hash('correct horse'))).toBe(false)
  })

  it('waits its turn, and is refused when too many wait', async () => {
    const passwords = createPasswords(CHEAP)
    const many = await Promise.allSettled(Array.from({ length: 60 }, () => passwords.verify('x', undefined)))
    const refused = many.filter(({ status }) => status === 'rejected')
    expect(refused.length).toBe(60 - 34)
    expect(refused[0]).toMatchObject({ reason: { code: 'OVERLOADED' } })
    expect(await passwords.verify('x', undefined)).toBe(false)
  })
})
