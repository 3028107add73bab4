import { bleTag, ibeaconTag, type TagId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { createRecogniser, type RecogniserOptions } from './decode/recogniser.ts'
import { nodeAes } from './node-crypto-port.ts'

const bytesOf = (digits: string) => Buffer.from(digits.replaceAll(/[:\s]/g, ''), 'hex')

const PUMP = ibeaconTag('b5b182c7-eab1-4988-aa99-b5c1517008d9', 1, 53_092) as TagId
const BED = bleTag('c3:00:00:12:34:56') as TagId
const IBEACON = bytesOf('0201061aff4c000215b5b182c7eab14988aa99b5c1517008d90001cf64c5')
const NEARBY = bytesOf('02011a0bff4c001006031a3aeb1e5a')
const FINDMY = bytesOf('0201061eff4c001219003d9967e0d67bf55617939043e48fd6762144da3e35160300')
const TLM = bytesOf('0201060303aafe1116aafe20000bb815000000004500000258')

/** Core specification, sample of the random address hash. */
const IRK = bytesOf('ec0234a357c8ad05341010a60a397d9b')
const RPA = bytesOf('70:81:94:0d:fb:aa')

function recogniserOf(options: Partial<RecogniserOptions> = {}) {
  let seed = 1
  const random = () => {
    seed = (seed * 48_271) % 0x7fff_ffff
    return seed / 0x7fff_ffff
  }
  return createRecogniser({ allow: new Set([PUMP, BED]), aes: nodeAes, random, ...options })
}

const from = (address: string, payload: Uint8Array, addressType: 'public' | 'random' = 'random') => ({
  address: bytesOf(address),
  addressType,
  payload,
})

describe('a tag of the site', () => {
  it('is known by its beacon identity, from whatever address', () => {
    const heard = recogniserOf().recognise(from('41:00:00:00:00:01', IBEACON), 0)
    expect(heard).toEqual({ tag: PUMP, by: 'beacon', format: 'ibeacon', urgent: false })
  })

  it('is known by its address, whatever it says', () => {
    const recogniser = recogniserOf()
    expect(recogniser.recognise(from('c3:00:00:12:34:56', TLM), 0)).toEqual({
      tag: BED,
      by: 'address',
      format: 'eddystone-tlm',
      telemetry: { temperatureC: 21 },
      urgent: false,
    })
    expect(recogniser.recognise(from('c3:00:00:12:34:56', new Uint8Array()), 0)).toMatchObject({ tag: BED })
  })

  it('is known by the address inside a frame, when the sender goes by another', () => {
    const tag = bleTag('ffeeddccbbaa') as TagId
    const tamper = bytesOf('0201060303e1ff0d16e1ffa1204501aabbccddeeff')
    expect(recogniserOf({ allow: new Set([tag]) }).recognise(from('42:00:00:00:00:01', tamper), 0)).toEqual({
      tag,
      by: 'beacon',
      format: 'minew-a1-20',
      telemetry: { batteryPercent: 69, tamper: true },
      urgent: true,
    })
  })

  it('is known by its next frames, which do not name it, until its address is too old', () => {
    const recogniser = recogniserOf()
    const address = '41:00:00:00:00:02'
    expect(recogniser.recognise(from(address, TLM), 0)).toEqual({ unknown: 'eddystone-tlm' })
    recogniser.recognise(from(address, IBEACON), 1_000)
    expect(recogniser.recognise(from(address, TLM), 2_000)).toMatchObject({ tag: PUMP, by: 'learned' })
    expect(recogniser.recognise(from(address, TLM), 961_001)).toEqual({ unknown: 'eddystone-tlm' })
    expect(recogniser.state().learned).toEqual([])
  })

  it.each([
    ['as the specification writes it', IRK],
    ['the other way round', Buffer.from(IRK.toReversed())],
  ])('is known by its key, written %s, while its address changes', (_, irk) => {
    const recogniser = recogniserOf({ irks: [{ tag: BED, irk }] })
    for (const nowMs of [0, 1_000, 2_000_000]) {
      expect(recogniser.recognise(from('70:81:94:0d:fb:aa', NEARBY), nowMs)).toMatchObject({ tag: BED, by: 'irk' })
    }
    expect(recogniser.recognise(from('70:81:94:0d:fb:ab', NEARBY), 0)).toEqual({ unknown: 'apple' })
    expect(recogniser.recognise({ address: RPA, addressType: 'public', payload: NEARBY }, 3_000_000)).toEqual({
      unknown: 'apple',
    })
  })

  it('costs one cipher call per key and byte order for each new address, and none afterwards', () => {
    let calls = 0
    const aes = {
      ...nodeAes,
      ecb: (key: Uint8Array) => {
        const cipher = nodeAes.ecb(key)
        return {
          encrypt: (block: Uint8Array) => {
            calls += 1
            return cipher.encrypt(block)
          },
        }
      },
    }
    const irks = Array.from({ length: 5 }, (_, index) => ({ tag: BED, irk: Buffer.alloc(16, index) }))
    const recogniser = recogniserOf({ aes, irks })
    for (let nowMs = 0; nowMs < 100_000; nowMs += 1_000) recogniser.recognise(from('70:00:00:00:00:01', NEARBY), nowMs)
    expect(calls).toBe(10)
  })

  it('is read with its own key, and only with its own', () => {
    const tag = bleTag('54:48:e6:8f:80:a5') as TagId
    const sealed = bytesOf('0201061216d2fc41a47266c95f730011223378237214')
    const heard = (key: string) => {
      const bindKeys = new Map([[tag, bytesOf(key)]])
      return recogniserOf({ allow: new Set([tag]), bindKeys }).recognise(from('54:48:e6:8f:80:a5', sealed, 'public'), 0)
    }
    expect(heard('231d39c1d7cc1ab1aee224cd096db932')).toMatchObject({
      telemetry: { temperatureC: 25.06, humidityPercent: 50.55 },
    })
    expect(heard('231d39c1d7cc1ab1aee224cd096db933')).toEqual({
      tag,
      by: 'address',
      format: 'bthome-v2',
      urgent: false,
    })
  })
})

describe('an Eddystone beacon of changing identifiers', () => {
  /** Made with another implementation of the two specifications (CMAC and CTR of Python's cryptography). */
  const beacon = { tag: BED, key: bytesOf('00112233445566778899aabbccddeeff'), exponent: 10, zeroMs: 5_000 }
  const nowMs = 1_234_567_000 + beacon.zeroMs
  const eid = (digits: string) => bytesOf(`0d16aafe30fc${digits}`)
  const etlm = bytesOf('1516aafe200187d56ba4206037382825840a5a174f4f')

  it('is known in its period and the two beside it', () => {
    const recogniser = recogniserOf({ ephemeral: [beacon] })
    const at = (digits: string, ms: number) => recogniser.recognise(from('41:00:00:00:00:09', eid(digits)), ms)
    expect(at('a412441b36fd6cad', nowMs)).toMatchObject({ tag: BED, by: 'beacon', format: 'eddystone-eid' })
    expect(at('91a4781ee94e7a93', nowMs)).toMatchObject({ tag: BED })
    const other = recogniserOf({ ephemeral: [beacon] })
    expect(other.recognise(from('41:00:00:00:00:08', eid('c73d65184d31adc3')), nowMs)).toEqual({
      unknown: 'eddystone-eid',
    })
    expect(other.recognise(from('41:00:00:00:00:08', eid('c73d65184d31adc3')), nowMs + 1_024_000)).toMatchObject({
      tag: BED,
    })
  })

  it('is read when its encrypted telemetry comes from the same address', () => {
    const recogniser = recogniserOf({ ephemeral: [beacon] })
    const address = '41:00:00:00:00:07'
    expect(recogniser.recognise(from(address, etlm), nowMs)).toEqual({ unknown: 'eddystone-etlm' })
    recogniser.recognise(from(address, eid('a412441b36fd6cad')), nowMs)
    expect(recogniser.recognise(from(address, etlm), nowMs)).toMatchObject({
      tag: BED,
      by: 'learned',
      format: 'eddystone-tlm',
      telemetry: { temperatureC: 21 },
    })
    const altered = Buffer.from(etlm)
    altered[8] = 0
    const heard = recogniser.recognise(from(address, altered), nowMs)
    expect(heard).toEqual({ tag: BED, by: 'learned', format: 'eddystone-etlm', urgent: false })
  })
})

describe('everybody else', () => {
  it('is counted by class', () => {
    const recogniser = recogniserOf()
    recogniser.recognise(from('41:00:00:00:00:01', NEARBY), 0)
    recogniser.recognise(from('41:00:00:00:00:01', NEARBY), 10)
    recogniser.recognise(from('c1:00:00:00:00:01', FINDMY), 20)
    recogniser.recognise(from('00:11:22:33:44:55', bytesOf('0201061aff4c000215'), 'public'), 30)
    expect(recogniser.unknown()).toEqual({
      adverts: { apple: 2, 'apple-findmy': 1, malformed: 1 },
      newDevices: { apple: 1, 'apple-findmy': 1, malformed: 1 },
      devices: 3,
      evicted: 0,
    })
  })

  it('leaves no trace but numbers: no address, no identity, no payload', () => {
    const recogniser = recogniserOf({ irks: [{ tag: BED, irk: IRK }] })
    recogniser.recognise(from('70:81:94:0d:fb:aa', NEARBY), 0)
    const phones = Array.from({ length: 500 }, (_, index) => 0x5a11_2200_0000 + index * 7_919)
    const stranger = bytesOf('1aff4c000215f7826da64fa24e988024bc5b71e0893e01020304b3')
    for (const [index, phone] of phones.entries()) {
      const address = phone.toString(16)
      recogniser.recognise(from(address, [NEARBY, FINDMY, stranger][index % 3] ?? NEARBY), index)
    }
    const dump = JSON.stringify(recogniser.state())
    for (const phone of phones) {
      const digits = phone.toString(16)
      const reversed = bytesOf(digits).toReversed().toString()
      for (const form of [digits, digits.slice(4), String(phone), reversed]) expect(dump).not.toContain(form)
    }
    expect(dump).not.toMatch(/f7826da6|3d9967e0|4c0010/i)
    expect(recogniser.state()).toMatchObject({ learned: [{ tag: BED, by: 'irk' }], unknown: { devices: 500 } })
  })

  it('has other numbers in every process, so that two dumps cannot be laid beside each other', () => {
    const marksOf = (start: number) => {
      const recogniser = recogniserOf({ random: () => start })
      recogniser.recognise(from('5a:11:22:33:44:55', NEARBY), 0)
      return recogniser.state().unknownMarks
    }
    expect(marksOf(0.25)).not.toEqual(marksOf(0.75))
  })

  it('is forgotten: changing addresses after 240 s, lasting ones after an hour', () => {
    const recogniser = recogniserOf()
    const devicesAt = (nowMs: number) => {
      recogniser.recognise(from('c1:00:00:00:00:99', NEARBY), nowMs)
      return recogniser.unknown().devices
    }
    recogniser.recognise(from('41:00:00:00:00:01', NEARBY), 0)
    recogniser.recognise(from('00:11:22:33:44:55', NEARBY, 'public'), 0)
    expect(devicesAt(1_000)).toBe(3)
    recogniser.recognise(from('c1:00:00:00:00:98', NEARBY), 241_000)
    expect(recogniser.unknown().devices).toBe(3)
    recogniser.recognise(from('c1:00:00:00:00:97', NEARBY), 3_700_000)
    expect(recogniser.unknown().devices).toBe(2)
  })

  it('is 4,096 devices at most, whose longest silent make room', () => {
    const recogniser = recogniserOf()
    for (let index = 0; index < 20_000; index++) {
      recogniser.recognise(from((0x4100_0000_0000 + index).toString(16), NEARBY), index)
    }
    expect(recogniser.unknown()).toMatchObject({
      devices: 4_096,
      evicted: 20_000 - 4_096,
      newDevices: { apple: 20_000 },
    })
  })

  it('cannot fill the memory with copies of a beacon of ours: 4,096 addresses of own tags are remembered', () => {
    const recogniser = recogniserOf()
    for (let index = 0; index < 6_000; index++) {
      recogniser.recognise(from((0x4100_0000_0000 + index).toString(16), IBEACON), index)
    }
    expect(recogniser.state().learned).toHaveLength(4_096)
  })
})
