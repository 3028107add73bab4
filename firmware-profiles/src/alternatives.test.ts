import { describe, expect, it } from 'vitest'

import { compileProfile } from './compile.ts'
import type { FieldSpec, MessageSpec, PartSpec, ProfileDocument } from './profile.ts'

const EPC_BY_PC: readonly FieldSpec[] = [
  { name: 'pc', type: 'u16' },
  { name: 'words', type: 'derived', from: 'pc', shift: 11, hidden: true },
  { name: 'epc', type: 'hex', size: { ref: 'words', unit: 'words' } },
]

/** A reader with one frame: A0, length, body, sum. */
function driverWith(messages: readonly MessageSpec[], send: readonly PartSpec[] = ['01']) {
  const document: ProfileDocument = {
    id: 'made-up',
    version: '1.0.0',
    name: 'Made up',
    evidence: { verifiedOn: 'document', sources: ['made'] },
    tagKind: 'epc',
    serial: { baud: [9600], gapMs: 50 },
    framing: {
      kind: 'length',
      layouts: [{ start: 'A0', length: { at: 1, size: 1, overhead: 2 }, body: { from: 2, to: -1 } }],
      min: 3,
      max: 257,
    },
    integrity: [{ kind: 'negSum8' }],
    messages,
    commands: { set: { send } },
    lifecycle: { inventory: 'passive' },
    limits: { regions: { ETSI: 6 } },
    golden: [],
    reject: [],
  }
  return compileProfile(document, 'made')
}

describe('messages with the same conditions', () => {
  const driver = driverWith([
    { name: 'tag', role: 'tag', fields: EPC_BY_PC, tag: { epc: 'epc' } },
    {
      name: 'tagPhase',
      role: 'tag',
      fields: [...EPC_BY_PC, { name: 'phase', type: 'u16' }],
      tag: { epc: 'epc', phaseDeg: 'phase' },
    },
  ])

  it('are tried in their order, and the first whose fields fit is taken', () => {
    const plain = driver.decode(driver.reader.encodeMessage('tag', { pc: 0x1000, epc: 'E2001122' }))
    const phase = driver.decode(driver.reader.encodeMessage('tagPhase', { pc: 0x1000, epc: 'E2001122', phase: 90 }))
    expect(plain).toMatchObject({ message: 'tag', tags: [{ epc: 'E2001122' }] })
    expect(plain.fields).toEqual({ pc: 0x1000, epc: 'E2001122' })
    expect(phase).toMatchObject({ message: 'tagPhase', tags: [{ epc: 'E2001122', phaseDeg: 90 }] })
    expect(phase.fields).toEqual({ pc: 0x1000, epc: 'E2001122', phase: 90 })
  })

  it('leave a frame that fits none refused for what the first of them says', () => {
    const short = driver.decode(driver.reader.encodeMessage('tag', { pc: 0x2000, epc: 'E2001122' }))
    expect(short).toMatchObject({ verdict: 'garbage', why: 'epc beyond the end', tags: [] })
  })

  it('keep no tag of one that did not fit', () => {
    const list: FieldSpec = { name: 'tags', type: 'repeat', fields: [{ name: 'epc', type: 'hex', size: 2 }] }
    const lists = driverWith([
      { name: 'pairs', role: 'tags', fields: [list], tagsIn: 'tags', tag: { epc: 'epc' } },
      { name: 'rest', role: 'reply', fields: [{ name: 'all', type: 'hex', size: { toEnd: 0 } }] },
    ])
    const found = lists.decode(lists.reader.encodeMessage('rest', { all: 'AABBCC' }))
    expect(found).toMatchObject({ message: 'rest', tags: [] })
    expect(found.fields).toEqual({ all: 'AABBCC' })
  })
})

describe('a size with a flag in it', () => {
  const driver = driverWith([
    {
      name: 'tag',
      role: 'tag',
      fields: [
        { name: 'size', type: 'u8', hidden: true },
        { name: 'epc', type: 'hex', size: { ref: 'size' }, if: { size: { max: 127 } } },
        { name: 'epc', type: 'hex', size: { ref: 'size', add: -130 }, if: { size: { min: 128 } } },
        { name: 'more', type: 'hex', size: 2, if: { size: { min: 128 } } },
      ],
      tag: { epc: 'epc' },
    },
  ])

  it('is written without the flag when nothing else is said', () => {
    const frame = driver.reader.encodeTags([{ epc: 'E2001122' }])
    expect(frame[2]).toBe(4)
    expect(driver.decode(frame).tags).toEqual([{ epc: 'E2001122' }])
  })

  it('is read and written with it', () => {
    const frame = driver.reader.encodeMessage('tag', { size: 0x86, epc: 'E2001122', more: 'BEEF' })
    expect(driver.decode(frame).fields).toEqual({ epc: 'E2001122', more: 'BEEF' })
  })
})

describe('a value whose table is in pieces', () => {
  const piece = { name: 'freqKHz', type: 'derived', from: 'index', mask: '0xFF', scale: 500 } as const
  const driver = driverWith([
    {
      name: 'tag',
      role: 'tag',
      fields: [
        { name: 'index', type: 'u8' },
        { ...piece, offset: 865_000, if: { index: { max: 6 } } },
        { ...piece, offset: 898_500, if: { index: { min: 7 } } },
        { name: 'epc', type: 'hex', size: { toEnd: 0 } },
      ],
      tag: { epc: 'epc', freqKHz: 'freqKHz' },
    },
  ])

  it.each([865_000, 868_000])('is written by the piece that has it (%i)', (freqKHz) => {
    const report = { epc: 'E2001122', freqKHz }
    expect(driver.decode(driver.reader.encodeTags([report])).tags).toEqual([report])
  })

  it('cannot be what no piece has', () => {
    expect(() => driver.reader.encodeTags([{ epc: 'E2001122', freqKHz: 10 }])).toThrow('cannot be')
  })
})

describe('a command that takes one antenna', () => {
  it('says so, for whoever has several', () => {
    const perAntenna = (param: string) =>
      driverWith([{ name: 'done', role: 'reply' }], [{ param, type: 'u8', list: 'mask' }]).commands.get('set')
        ?.perAntenna
    expect([perAntenna('antenna'), perAntenna('antennas')]).toEqual([true, false])
  })
})

describe('a parameter with its own table', () => {
  const driver = driverWith(
    [{ name: 'done', role: 'reply' }],
    [
      { param: 'region', type: 'u8', map: 'regions' },
      { param: 'region', type: 'u16', map: { ETSI: '0x0361' } },
      { param: 'baud', type: 'u8', map: { '9600': 0, '115200': 4 } },
    ],
  )

  it('is written as its number and read back', () => {
    const frame = driver.encode('set', { region: 'ETSI', baud: 115_200 })
    expect([...frame.subarray(2, 6)]).toEqual([6, 3, 0x61, 4])
    expect(driver.reader.decodeCommand(frame)).toMatchObject({ params: { region: 'ETSI', baud: 115_200 } })
  })

  it('is refused when the table does not have it', () => {
    expect(() => driver.encode('set', { region: 'ETSI', baud: 57_600 })).toThrow('parameter baud cannot be 57600')
  })
})
