import { describe, expect, it } from 'vitest'

import { crc32c } from './crc32c.ts'

const ascii = (text: string) => new TextEncoder().encode(text)

describe('crc32c', () => {
  it('gives the published check value', () => {
    expect(crc32c(ascii('123456789')).toString(16)).toBe('e3069283')
  })

  it('gives the values of RFC 3720, appendix B.4', () => {
    const ascending = Uint8Array.from({ length: 32 }, (_, i) => i)
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
    expect(crc32c(ascending)).toBe(0x46dd794e)
    expect(crc32c(ascending.toReversed())).toBe(0x113fdb5c)
  })

  it('is 0 for no bytes, and takes only the bytes before the end it is given', () => {
    expect(crc32c(new Uint8Array(0))).toBe(0)
    expect(crc32c(ascii('123456789and more'), 9)).toBe(0xe3069283)
  })
})
