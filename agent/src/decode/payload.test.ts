import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Fields } from './frame.ts'
import { decodePayload } from './payload.ts'
import { eventsOf, isUrgent, telemetryOf } from './said.ts'

const bytesOf = (digits: string) => Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'))

/** One structure around some data. */
function structure(type: 'ff' | '16', data: string): Uint8Array {
  const body = bytesOf(data)
  return Uint8Array.of(body.length + 1, Number.parseInt(type, 16), ...body)
}

function only(type: 'ff' | '16', data: string): { format: string; fields: Fields } {
  const { frames, broken } = decodePayload(structure(type, data))
  const [frame] = frames
  if (frame === undefined) throw new Error(`not decoded: ${broken}`)
  return frame
}

describe('a value that the sender does not have', () => {
  it.each([
    ['ff', '9904 05 8000 ffff ffff 8000 8000 8000 ffff ff ffff ffffffffffff', {}],
    [
      'ff',
      '9904 05 0000 0000 0000 8000 0001 0001 ffff ff ffff ffffffffffff',
      { temperature: 0, humidity: 0, pressurePa: 50_000 },
    ],
    ['ff', '9904 06 8000 ffff ffff ffff ffff ff ff ff ff 07 c0 ffffff', { sequence: 7 }],
    ['16', 'aafe 20 00 0000 8000 00000001 0000000a', { advCount: 1, uptimeS: 1 }],
    ['16', 'e1ff a1 01 ff 8000 8000 aabbccddeeff', { mac: 'ff:ee:dd:cc:bb:aa' }],
    [
      'ff',
      '3906 ca 1b 01 0007 00 0165332211ac 0000 8000 00 c5 000000000010',
      { encrypted: false, productId: 7, mac: 'ac:11:22:33:65:01', txPower: -59 },
    ],
    [
      'ff',
      '4f09 01 00 0000 0000 0000 0000 0080 01000000 00 ff',
      {
        version: 1,
        encrypted: false,
        salt: 0,
        acc: [0, 0, 0],
        uptimeS: 1,
        flags: 0,
        magnet: false,
        tilt: false,
        freeFall: false,
        impact: false,
      },
    ],
    ['ff', '5707 12 0080', {}],
    ['ff', '5707 f2 0000', {}],
    ['ff', '5707 f1 ff', {}],
    ['ff', '6c02 04 01ffff 02ffff 03ffff 5d5d', {}],
    [
      '16',
      '9afe 12 0102030405060708 01 000000 00 0000 00 fc ff ff',
      { version: 1, id: '0102030405060708', magneticField: [0, 0, 0], lux: 0, uptimeS: 0, temperature: 0 },
    ],
    ['16', 'd2fc 40 01 ff 2e ff', { encrypted: false }],
    ['16', '6afe 03 03 0d ffff 02 0c ff 02 0b 80', { fields: [{ pid: 13 }, { pid: 12 }, { pid: 11 }] }],
    ['ff', '9a08 01 03 8000 ff', { magnetPresent: false, lowBattery: false }],
  ] as const)('is absent in %s %s', (type, data, fields) => {
    expect(only(type, data).fields).toEqual(fields)
  })
})

describe('a decoded frame', () => {
  it.each([
    ['16', '6afe 03 04 11 06 0200', { pressCount: 6, pressed: true }, [{ event: 'button', value: 6 }], true],
    ['16', '6afe 03 04 11 06 5ba0', { pressCount: 6, pressed: false }, [{ event: 'button', value: 6 }], false],
    ['16', 'd2fc 40 00 09 3a 01', { pressCount: 9, pressed: true }, [{ event: 'button', value: 9 }], true],
    ['16', 'd2fc 40 00 09 3a 00', { pressed: false }, [], false],
    [
      '16',
      'd2fc 44 21 01 22 01 2b 01',
      { moving: true, tamper: true },
      [
        { event: 'tamper', value: 0 },
        { event: 'motion', value: 1 },
      ],
      true,
    ],
    [
      '16',
      'e1ff a1 20 45 01 aabbccddeeff',
      { batteryPercent: 69, tamper: true },
      [{ event: 'tamper', value: 0 }],
      true,
    ],
    ['ff', '3906 51 01 23 45 22 0100', { batteryPercent: 69, pressed: true }, [{ event: 'button', value: 0 }], true],
    ['ff', '5707 b2 0d00', { pressed: true, pressCount: 6 }, [{ event: 'button', value: 6 }], true],
    ['ff', '5707 42 0d00', { moving: true }, [{ event: 'motion', value: 1 }], false],
    [
      'ff',
      '4c00 0215 a565cc841e0e4b5ab2d317c98ff54110 0000 5501 c5',
      { batteryPercent: 85, pressed: true },
      [{ event: 'button', value: 0 }],
      true,
    ],
    [
      'ff',
      '4c00 0215 a565cc841e0e4b5ab2d317c98ff54110 0000 5500 c5',
      { batteryPercent: 85, pressed: false },
      [],
      false,
    ],
  ] as const)('in %s %s says what happened', (type, data, telemetry, events, urgent) => {
    const said = telemetryOf(only(type, data)) ?? {}
    expect(said).toEqual(telemetry)
    expect(eventsOf(said)).toEqual(events)
    expect(isUrgent(said)).toBe(urgent)
  })

  it('of BlueUp takes battery and name from beside it', () => {
    const payload = bytesOf('020106 04160f1855 0416008890 1109426c756555702d31302d313233343536')
    const [frame] = decodePayload(payload).frames
    expect(frame).toEqual({
      format: 'blueup',
      fields: { flags: 0x90, alarm: true, battery: 85, name: 'BlueUp-10-123456' },
    })
  })

  it('of Estimote says how long it has been moving or still, and how bright it is', () => {
    expect(only('16', '9afe 22 0102030405060708 00 7f8100 45 c3 01 00000a00').fields).toMatchObject({
      accG: [2, -2, 0],
      previousMotionStateS: 300,
      motionStateS: 259_200,
      moving: true,
      pressurePa: 2560,
    })
    expect(only('16', '9afe 12 0102030405060708 01 000000 35 0410 51 e0 2e 64').fields).toMatchObject({
      lux: 28.8,
      uptimeS: 240,
      battery: 100,
    })
  })

  it('of BTHome stops at an object it does not know, and keeps what came before', () => {
    expect(only('16', 'd2fc 40 02ca09 ff 0102').fields).toEqual({ encrypted: false, temperature: 25.06 })
  })

  it('holds names of printable letters only', () => {
    expect(only('16', 'e1ff a1 08 64 001302e4cdab 1b5b41 0a').fields.name).toBe('\uFFFD[A\uFFFD')
  })
})

describe('any payload', () => {
  const check = (bytes: Uint8Array) => {
    const { frames, elements } = decodePayload(bytes)
    for (const frame of frames) telemetryOf(frame)
    if (elements > bytes.length) throw new Error('more structures than bytes')
  }
  const starts = [
    '4c000215',
    'bebeac',
    'aafe00',
    'aafe10',
    'aafe2000',
    'aafe2001',
    'aafe30',
    'e1ffa101',
    'e1ffa108',
    '390651',
    '3906a3',
    '3906a4',
    '3906ca03',
    '3906ca1b',
    '6afe02',
    '6afe03',
    '6afe05',
    '0dd0',
    'd2fc40',
    'd2fc41',
    '9a0801',
    '5707',
    '4f090100',
    '990403',
    '990405',
    '990406',
    '9afe',
    '620a02',
    '6c0202',
    '6c0204',
    '94fd09',
    '0088',
    '0600',
    '6ffd',
    '',
  ]

  it('of 100,000 of random bytes is decoded without a throw', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), check), { numRuns: 100_000 })
  })

  it('of 100,000 of structures that begin like real ones is decoded without a throw', () => {
    const part = fc.tuple(
      fc.constantFrom(0x02, 0x03, 0x09, 0x0a, 0x16, 0xff),
      fc.constantFrom(...starts.map((start) => [...bytesOf(start)])),
      fc.uint8Array({ maxLength: 28 }),
      fc.constantFrom(0, 0, 0, 0, 1, -1),
    )
    const payload = fc.array(part, { maxLength: 4 }).map((parts) =>
      Uint8Array.from(
        parts.flatMap(([type, start, tail, slip]) => {
          const data = [...start, ...tail]
          return [Math.max(0, data.length + 1 + slip), type, ...data]
        }),
      ),
    )
    fc.assert(fc.property(payload, check), { numRuns: 100_000 })
  })

  it('as long as Bluetooth allows and full of structures is read once', () => {
    const bytes = new Uint8Array(1_650).fill(0xff)
    expect(decodePayload(bytes)).toMatchObject({ elements: 6, broken: 'length beyond the end' })
    expect(decodePayload(new Uint8Array(1_650).fill(1)).elements).toBe(825)
    const frames = Uint8Array.from({ length: 1_648 }, (_, index) => structure('16', 'd2fc40 0101')[index % 6] ?? 0)
    expect(decodePayload(frames).frames).toHaveLength(16)
  })
})
