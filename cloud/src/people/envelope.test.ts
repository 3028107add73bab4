import { randomBytes, randomUUID } from 'node:crypto'

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  blindIndex,
  KEY_BYTES,
  keyIdOf,
  masterKeyId,
  type NamedKey,
  normalNumber,
  open,
  type Place,
  seal,
} from './envelope.ts'

const key: NamedKey = { id: randomUUID(), key: randomBytes(KEY_BYTES) }
const place: Place = { table: 'care.patient', column: 'name_env', row: randomUUID(), orgId: 7 }

describe('an envelope', () => {
  it('gives back what was sealed, names its key, and is never the same twice', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (plain) => {
        const envelope = seal(plain, key, place)
        expect(keyIdOf(envelope)).toBe(key.id)
        expect(envelope.length).toBe(plain.length + 45)
        expect([...open(envelope, key, place)]).toEqual([...plain])
        expect(seal(plain, key, place).equals(envelope)).toBe(false)
      }),
      { numRuns: 50 },
    )
  })

  it('does not open when any one of its bytes was changed', () => {
    const envelope = seal(Buffer.from('Ada'), key, place)
    for (const at of envelope.keys()) {
      const changed = Buffer.from(envelope)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(() => open(changed, key, place)).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
    }
  })

  it('does not open when it was cut short', () => {
    const envelope = seal(Buffer.from('Ada'), key, place)
    for (const length of envelope.keys()) {
      expect(() => open(envelope.subarray(0, length), key, place)).toThrow()
    }
  })

  it.each([{ table: 'care.staff' }, { column: 'number_env' }, { row: randomUUID() }, { orgId: 8 }])(
    'does not open in another place: %j',
    (other) => {
      const envelope = seal(Buffer.from('Ada'), key, place)
      expect(() => open(envelope, key, { ...place, ...other })).toThrow('does not open')
    },
  )

  it('does not open with another key of the same name, and says nothing of what it holds', () => {
    const envelope = seal(Buffer.from('Ada'), key, place)
    expect(() => open(envelope, { ...key, key: randomBytes(KEY_BYTES) }, place)).toThrow('does not open')
    expect(() => open(envelope, { ...key, key: randomBytes(KEY_BYTES) }, place)).not.toThrow('Ada')
  })
})

describe('a blind index', () => {
  it('is equal for equal numbers under one key only, and 16 bytes long', () => {
    const other = randomBytes(KEY_BYTES)
    expect(blindIndex(key.key, 'MRN1')).toEqual(blindIndex(key.key, 'MRN1'))
    expect(blindIndex(key.key, 'MRN1')).not.toEqual(blindIndex(key.key, 'MRN2'))
    expect(blindIndex(key.key, 'MRN1')).not.toEqual(blindIndex(other, 'MRN1'))
    expect(blindIndex(key.key, 'MRN1').length).toBe(16)
  })

  it('takes spellings of one number as one', () => {
    expect(['ab 12', ' AB12 ', 'ＡＢ１２', 'a b\t12'].map(normalNumber)).toEqual(['AB12', 'AB12', 'AB12', 'AB12'])
  })
})

describe('the name of a master key', () => {
  it('is always the same, another one for another key, and has the form of a key id', () => {
    expect(masterKeyId(key.key)).toBe(masterKeyId(Buffer.from(key.key)))
    expect(masterKeyId(key.key)).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(masterKeyId(randomBytes(KEY_BYTES))).not.toBe(masterKeyId(key.key))
  })
})
