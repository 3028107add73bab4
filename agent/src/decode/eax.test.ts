import { createCipheriv } from 'node:crypto'

import { describe, expect, it } from 'vitest'

import type { BlockCipher } from './aes.ts'
import { eaxOpen } from './eax.ts'

const bytesOf = (digits: string) => Uint8Array.from(Buffer.from(digits, 'hex'))

function aes(key: string): BlockCipher {
  const cipher = createCipheriv('aes-128-ecb', bytesOf(key), null).setAutoPadding(false)
  return { encrypt: (block) => cipher.update(block) }
}

/** Test vectors of the paper that defines EAX: key, nonce, header, plain text, cipher text, tag. */
const published = [
  [
    '233952dee4d5ed5f9b9c6d6ff80ff478',
    '62ec67f9c3a4a407fcb2a8c49031a8b3',
    '6bfb914fd07eae6b',
    '',
    '',
    'e037830e8389f27b025a2d6527e79d01',
  ],
  [
    '91945d3f4dcbee0bf45ef52255f095a4',
    'becaf043b0a23d843194ba972c66debd',
    'fa3bfd4806eb53fa',
    'f7fb',
    '19dd',
    '5c4c9331049d0bdab0277408f67967e5',
  ],
  [
    '8395fcf1e95bebd697bd010bc766aac3',
    '22e7add93cfc6393c57ec0b3c17d6b44',
    '126735fcc320d25a',
    'ca40d7446e545ffaed3bd12a740a659ffbbb3ceab7',
    'cb8920f87a6c75cff39627b56e3ed197c552d295a7',
    'cfc46afc253b4652b1af3795b124ab6e',
  ],
] as const

describe('EAX', () => {
  it.each(published)('with key %s opens what was published', (key, nonce, header, plain, cipher, tag) => {
    const sealed = { nonce: bytesOf(nonce), header: bytesOf(header), cipher: bytesOf(cipher), tag: bytesOf(tag) }
    expect(eaxOpen(aes(key), sealed)).toEqual(bytesOf(plain))
    expect(eaxOpen(aes(key), { ...sealed, tag: sealed.tag.subarray(0, 2) })).toEqual(bytesOf(plain))
  })

  it.each(published)('with key %s opens nothing that was altered', (key, nonce, header, _plain, cipher, tag) => {
    const altered = bytesOf(tag)
    altered[0] = (altered[0] ?? 0) ^ 1
    const sealed = { nonce: bytesOf(nonce), header: bytesOf(header), cipher: bytesOf(cipher), tag: altered }
    expect(eaxOpen(aes(key), sealed)).toBeUndefined()
  })
})
