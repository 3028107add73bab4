import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { decodeAll, driverOf, readProfiles, sha256 } from './profiles-on-disk.ts'
import type { Decoded } from './src/driver.ts'
import { bytesOfText, hexOf, knownHex, textOf } from './src/hex.ts'
import { checkProfile } from './src/load.ts'

const documents = readProfiles()

const numbersIn = (found: readonly Decoded[]) => found.flatMap(({ tags }) => tags.map((tag) => tag.epc))
const id = fc.uint8Array({ minLength: 5, maxLength: 5 }).map((bytes) => hexOf(bytes))

describe.each(['rdm6300', 'id12', 'elatec-twn3-inditag'])('%s', (name) => {
  const driver = driverOf(name)
  // Neither a start nor an end, so that noise makes no frame of its own with the bytes around it.
  const noise = fc
    .array(fc.constantFrom(0x00, 0x7f, 0x80, 0xff), { maxLength: 20 })
    .map((list) => Uint8Array.from(list))

  it('finds every frame between noise, wherever the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(noise, id), { maxLength: 6 }), fc.integer({ min: 1, max: 20 }), (parts, size) => {
        const stream = Uint8Array.from(
          parts.flatMap(([before, epc]) => [...before, ...driver.reader.encodeTags([{ epc, band: 'lf' }])]),
        )
        const chunks = Array.from({ length: Math.ceil(stream.length / size) }, (_, n) =>
          stream.subarray(n * size, (n + 1) * size),
        )
        expect(numbersIn(decodeAll(driver, ...chunks))).toEqual(parts.map(([, epc]) => epc))
      }),
      { numRuns: 100 },
    )
  })

  it('reads no other number from a frame with one flipped bit', () => {
    fc.assert(
      fc.property(id, fc.nat(), fc.nat(7), (epc, where, bit) => {
        const frame = driver.reader.encodeTags([{ epc }])
        const at = where % frame.length
        const flipped = Uint8Array.from(frame, (byte, n) => (n === at ? byte ^ (1 << bit) : byte))
        const found = numbersIn(decodeAll(driver, flipped))
        // A capital hex digit and its small one differ in one bit and spell the same number.
        expect(found.filter((number) => number !== epc)).toEqual([])
      }),
      { numRuns: 200 },
    )
  })
})

describe('readers of LF and HF tags', () => {
  const uidReaders = [...documents.entries()]
    .filter(([, document]) => (document as { tagKind?: string }).tagKind === 'uid')
    .map(([name]) => driverOf(name))

  it('report no RSSI, for their protocols have none', () => {
    expect(uidReaders.length).toBeGreaterThanOrEqual(7)
    for (const driver of uidReaders) expect(driver.rssi).toEqual({ unit: 'none', calibrated: false })
  })

  it('must say of each tag whether it is LF or HF', () => {
    const silent = structuredClone(documents.get('rdm6300')) as { messages: { tag: { band?: string } }[] }
    delete silent.messages[0]?.tag.band
    const { problems } = checkProfile('rdm6300', new Map([['rdm6300', silent]]), { sha256 })
    expect(problems).toEqual([{ path: 'messages[0].tag.band', message: 'is missing' }])
  })

  it('give an EM4100 tag one number, whichever of them reads it', () => {
    const tags = [
      driverOf('rdm6300').decode(knownHex('0236324533303836434544303803')),
      driverOf('elatec-twn4').decode(bytesOfText('000140280562E3086CED\r')),
    ].flatMap((decoded) => decoded.tags)
    expect(tags).toEqual([
      { epc: '62E3086CED', band: 'lf' },
      { epc: '62E3086CED', band: 'lf' },
    ])
  })
})

describe('nxp-pn532', () => {
  const driver = driverOf('nxp-pn532')

  it('wakes the chip, keeps DTR and RTS off, and reads the acknowledgement apart from the reply', () => {
    expect(driver.serial).toMatchObject({ dtr: false, rts: false })
    expect(hexOf(driver.encode('samConfiguration'))).toBe(`5555${'00'.repeat(14)}0000FF05FBD4140114000300`)
    const found = decodeAll(driver, knownHex('0000FF00FF00'), knownHex('0000FF02FED5151600'))
    expect(found.map((decoded) => driver.matches('samConfiguration', decoded))).toEqual(['other', 'ok'])
    expect(found[0]?.message).toBe('ack')
  })

  it('reads two cards of which one sends its ATS', () => {
    const body = 'D54B 02 01 0004 08 04 FB0EE20B 02 0344 20 07 04416D412B0289 06 7577810280'
    const data = knownHex(body)
    const sum = data.reduce((total, byte) => total + byte, 0)
    const frame = Uint8Array.of(0, 0, 0xff, data.length, -data.length & 0xff, ...data, -sum & 0xff, 0)
    expect(driver.decode(frame).tags.map((tag) => tag.epc)).toEqual(['FB0EE20B', '04416D412B0289'])
  })
})

describe('rain-rci', () => {
  const start = '{"Cmd": "StartRZ", "RZ": [0]}\r\n'

  it('takes commands with the blanks that host programs write', () => {
    expect(driverOf('rain-rci').reader.decodeCommand(bytesOfText(start))?.command).toBe('start')
    expect(driverOf('rain-rci-v1').reader.decodeCommand(bytesOfText(start))?.command).toBeNull()
  })

  it('writes the zone in the dialect of the profile', () => {
    const written = ['rain-rci', 'rain-rci-v1'].map((name) => {
      const frame = driverOf(name).encode('start')
      return textOf(frame, 0, frame.length)
    })
    expect(written).toEqual(['{"Cmd":"StartRZ","RZ":[0]}\r\n', '{"Cmd":"StartRZ","ID":[1]}\r\n'])
  })

  it('keeps the RSSI raw, because nobody says what its unit is', () => {
    const line = bytesOfText('{"Report":"TagEvent","EPC":"3034:0000","RSSI":-49}\r\n')
    expect(decodeAll(driverOf('rain-rci'), line)[0]?.tags).toEqual([{ epc: '30340000', rssiRaw: -49 }])
  })
})

describe('feig-obid', () => {
  const driver = driverOf('feig-obid')

  it('speaks both kinds of frame, and a reader answers in the kind it was asked', () => {
    const asked = [0, 1].map((layout) => driver.encode('getVersion', {}, { layout }))
    expect(asked.map((frame) => hexOf(frame))).toEqual(['020007FF656E61', '05FF65E5CB'])
    const answered = asked.map((frame) => {
      const command = driver.reader.decodeCommand(frame)
      return command === undefined ? [] : driver.reader.answer(command)
    })
    expect(answered.map(([frame]) => frame?.[0])).toEqual([0x02, 0x0d])
    for (const frame of answered.flat()) expect(driver.matches('getVersion', driver.decode(frame))).toBe('ok')
  })

  it('is even parity on the line', () => {
    expect(driver.serial.parity).toBe('even')
    expect(driverOf('feig-obid-hf').serial.parity).toBe('even')
  })

  it('needs a region to transmit in the UHF band, and none at 13.56 MHz', () => {
    expect(driver.commands.get('inventory')?.radiates).toBe(true)
    expect(driverOf('feig-obid-hf').commands.get('inventory')?.radiates).toBe(false)
  })
})
