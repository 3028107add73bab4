import { describe, expect, it } from 'vitest'

import {
  altbeaconTag,
  bleTag,
  datasetTag,
  eddystoneTag,
  ibeaconTag,
  isTagId,
  kontaktTag,
  numberTag,
} from './tag-identity.ts'

const UUID = 'f7826da6-4fa2-4e98-8024-bc5b71e0893e'

describe('isTagId', () => {
  it.each([
    'epc:3034257bf7194e4000001a85',
    'epc:urn:epc:id:giai:4012345.6',
    'epc:https://id.gs1.org/8004/40123456',
    'hf:04416d412b0289',
    'lf:62e3086ced',
    'ble:c30000123456',
    `ibeacon:${UUID}/0/65535`,
    `altbeacon:${UUID}/65535/0`,
    'eddystone:00112233445566778899/aabbccddeeff',
    'kontakt:aBc9',
    'dataset:tag1',
  ])('takes the canonical form %s', (text) => {
    expect(isTagId(text)).toBe(true)
  })

  it.each([
    '',
    'c30000123456',
    'ble:',
    'ble:C30000123456',
    'ble:c3:00:00:12:34:56',
    'ble:c30000123456 ',
    'epc:3034257BF7194E40',
    'hf:04416D412B0289',
    'hf:04416d412b028',
    'hf:04',
    `hf:${'00'.repeat(33)}`,
    'uid:04416d412b0289',
    'epc:urn:epc:id:giai:4012345 6',
    'epc:urn:epc:tag:giai-96:0.4012345.6',
    'epc:https://example.com/8004/40123456',
    `ibeacon:${UUID}/1`,
    `ibeacon:${UUID}/1/65536`,
    `ibeacon:${UUID}/01/1`,
    `ibeacon:${UUID.toUpperCase()}/1/1`,
    'eddystone:0011223344556677889/aabbccddeeff',
    `altbeacon:${UUID}/1`,
    'kontakt:abc',
    'kontakt:abcdefghi',
    'kontakt:ab-d',
    'dataset:',
    'dataset:tag 1',
    'dataset:tag1\n',
    `dataset:${'x'.repeat(65)}`,
  ])('refuses %j: one tag has one spelling', (text) => {
    expect(isTagId(text)).toBe(false)
  })
})

describe('numberTag', () => {
  it('writes the digits in lower case, and keeps HF and LF apart', () => {
    expect(numberTag('hf', '04416D412B0289')).toBe('hf:04416d412b0289')
    expect(numberTag('lf', '62E3086CED')).toBe('lf:62e3086ced')
  })

  it.each(['', '04', '04416', '04:41:6D:41', 'xyz1'])('refuses %j', (number) => {
    expect(numberTag('hf', number)).toBeUndefined()
  })
})

describe('bleTag', () => {
  it.each(['c30000123456', 'C3:00:00:12:34:56', 'c3-00-00-12-34-56'])('makes one identity of %s', (address) => {
    expect(bleTag(address)).toBe('ble:c30000123456')
  })

  it.each(['', 'c3000012345', 'c300001234567', 'g30000123456'])('refuses %j', (address) => {
    expect(bleTag(address)).toBeUndefined()
  })
})

describe('datasetTag', () => {
  it('takes an address for what it is and keeps any other name', () => {
    expect(datasetTag('C3:00:00:12:34:56')).toBe('ble:c30000123456')
    expect(datasetTag('tag1')).toBe('dataset:tag1')
  })

  it.each(['', 'tag 1', 'täg', 'x'.repeat(65)])('refuses %j', (name) => {
    expect(datasetTag(name)).toBeUndefined()
  })
})

describe('ibeaconTag', () => {
  it('writes the UUID in lower case', () => {
    expect(ibeaconTag(UUID.toUpperCase(), 1, 65_535)).toBe(`ibeacon:${UUID}/1/65535`)
  })

  it.each([
    [UUID.replaceAll('-', ''), 1, 1],
    [UUID, 65_536, 1],
    [UUID, 1, 65_536],
    [UUID, -1, 1],
    [UUID, 1.5, 1],
    [UUID, Number.NaN, 1],
  ])('refuses %s, %d, %d', (uuid, major, minor) => {
    expect(ibeaconTag(uuid, major, minor)).toBeUndefined()
  })
})

describe('eddystoneTag', () => {
  it('writes its digits in lower case and refuses a wrong number of them', () => {
    expect(eddystoneTag('00112233445566778899', 'AABBCCDDEEFF')).toBe('eddystone:00112233445566778899/aabbccddeeff')
    expect(eddystoneTag('0011223344556677889', 'AABBCCDDEEFF')).toBeUndefined()
    expect(eddystoneTag('00112233445566778899', 'AABBCCDDEEF')).toBeUndefined()
  })
})

describe('altbeaconTag', () => {
  it('writes the UUID in lower case and refuses numbers out of range', () => {
    expect(altbeaconTag(UUID.toUpperCase(), 1, 2)).toBe(`altbeacon:${UUID}/1/2`)
    expect(altbeaconTag(UUID, 65_536, 2)).toBeUndefined()
  })
})

describe('kontaktTag', () => {
  it('keeps upper and lower case apart, and refuses what is printed on no tag', () => {
    expect(kontaktTag('abCD')).toBe('kontakt:abCD')
    expect(kontaktTag('ab\uFFFDd')).toBeUndefined()
  })
})
