import { describe, expect, it } from 'vitest'

import { sha256 } from '../profiles-on-disk.ts'
import { knownHex } from './hex.ts'
import { checkProfile, loadProfile } from './load.ts'
import type { ProfileDocument } from './profile.ts'

/** 02, length of the body, kind, body, XOR. */
const small: ProfileDocument = {
  id: 'small',
  version: '1.0.0',
  name: 'Small',
  evidence: { verifiedOn: 'document', sources: ['made for this test'] },
  tagKind: 'epc',
  serial: { baud: [9600], gapMs: 50 },
  framing: {
    kind: 'length',
    min: 4,
    max: 64,
    layouts: [{ start: '02', length: { at: 1, size: 1, overhead: 3 }, body: { from: 2, to: -1 } }],
  },
  integrity: [{ kind: 'xor8' }],
  header: [{ name: 'kind', type: 'u8' }],
  messages: [
    {
      name: 'tags',
      role: 'tags',
      when: { kind: 1 },
      tagsIn: 'list',
      fields: [
        { name: 'antennas', type: 'u8' },
        { name: 'count', type: 'u8' },
        {
          name: 'list',
          type: 'repeat',
          count: 'count',
          fields: [
            { name: 'size', type: 'u8' },
            { name: 'epc', type: 'hex', size: { ref: 'size' } },
            { name: 'rssi', type: 'u8' },
          ],
        },
      ],
      tag: {
        epc: 'epc',
        rssi: { field: 'rssi', unit: 'raw', calibrated: false, dbm: { scale: 1, offset: -129, source: 'this test' } },
        antenna: { field: 'antennas', kind: 'mask' },
      },
    },
    {
      name: 'facts',
      role: 'status',
      when: { kind: 2 },
      fields: [
        {
          type: 'tlv',
          id: { type: 'u8' },
          length: { type: 'u8' },
          items: {
            '0x01': [{ name: 'celsius', type: 's16', scale: 0.1, endian: 'little' }],
            '0x02': [
              { name: 'band', type: 'u8', hidden: true },
              { name: 'area', type: 'derived', from: 'band', mask: '0xC0', shift: 6, map: { 1: 'EU', 2: 'US' } },
              { name: 'channel', type: 'derived', from: 'band', mask: '0x3F' },
            ],
          },
        },
      ],
    },
    { name: 'failed', role: 'error', when: { kind: 3 }, fields: [{ name: 'code', type: 'u8' }], errorCode: 'code' },
  ],
  commands: { ask: { send: ['09'], expect: { messages: ['facts', 'failed'], okWhen: { channel: { min: 1 } } } } },
  lifecycle: { inventory: 'hostPoll', poll: ['ask'] },
  errors: { '0x07': { text: 'too warm', severity: 'warning' } },
  golden: [{ hex: '02010201', source: 'made for this test' }],
  reject: [{ hex: '0201020F', source: 'made for this test', why: 'wrong check' }],
}

const framed = (body: string) => {
  const bytes = knownHex(body)
  const frame = [2, bytes.length, ...bytes]
  return Uint8Array.of(
    ...frame,
    frame.reduce((xor, byte) => xor ^ byte, 0),
  )
}
const golden = (hex: string) => ({ hex, source: 'made for this test' })
const sources = (...documents: { id: string }[]) => new Map(documents.map((one) => [one.id, one]))
const problemsOf = (change: object) => checkProfile('small', sources({ ...small, ...change }), { sha256 }).problems
const driver = loadProfile('small', sources(small), { sha256 })

describe('a profile', () => {
  it('gives the tags of a counted list, each with what stands in front of the list', () => {
    const decoded = driver.decode(framed('01 02 02 02 ABCD 62 04 11223344 1F'))
    expect(decoded.tags).toEqual([
      { epc: 'ABCD', rssiRaw: 98, rssiDbm: -31, antenna: 2 },
      { epc: '11223344', rssiRaw: 31, rssiDbm: -98, antenna: 2 },
    ])
    expect(decoded.fields['list']).toEqual([
      { size: 2, epc: 'ABCD', rssi: 98 },
      { size: 4, epc: '11223344', rssi: 31 },
    ])
    expect(driver.decode(driver.reader.encodeTags(decoded.tags)).tags).toEqual(decoded.tags)
  })

  it('does not guess an antenna where the mask names several', () => {
    expect(driver.decode(framed('01 03 01 02 ABCD 62')).tags).toEqual([{ epc: 'ABCD', rssiRaw: 98, rssiDbm: -31 }])
  })

  it('reads items in any order, leaves out those it does not know, and writes them again', () => {
    const { fields } = driver.decode(framed('02 07 03 FFFFFF 02 01 45 01 02 D6FF'))
    expect(fields).toEqual({ kind: 2, celsius: -4.2, area: 'EU', channel: 5 })
    expect(driver.decode(driver.reader.encodeMessage('facts', { celsius: -4.2 })).fields).toEqual({
      kind: 2,
      celsius: -4.2,
    })
  })

  it('refuses an intact frame whose inside does not fit, and says where', () => {
    expect(driver.decode(framed('01 01 02 02 ABCD 62'))).toMatchObject({
      verdict: 'garbage',
      why: 'size beyond the end',
    })
    expect(driver.decode(framed('03 07 00'))).toMatchObject({
      verdict: 'garbage',
      why: 'bytes after the end of failed',
    })
  })

  it('tells of an intact frame that no message describes', () => {
    expect(driver.decode(framed('08'))).toMatchObject({
      verdict: 'status',
      message: '',
      why: 'no message of the profile',
    })
  })

  it('names errors, and tells a reply from a refusal and from what has nothing to do with a command', () => {
    const failed = driver.decode(framed('03 07'))
    expect(failed.error).toEqual({ code: '07', text: 'too warm', severity: 'warning' })
    expect(driver.matches('ask', failed)).toBe('failed')
    expect(driver.matches('ask', driver.decode(framed('02 02 01 45')))).toBe('ok')
    expect(driver.matches('ask', driver.decode(framed('02 02 01 40')))).toBe('failed')
    expect(driver.matches('ask', driver.decode(framed('01 01 00')))).toBe('other')
  })
})

describe('the loader', () => {
  it('tells everything that the schema forbids, at once', () => {
    const problems = problemsOf({ nmae: 'x', version: '1', serial: { baud: [], gapMs: 50 }, golden: undefined })
    expect(problems.map(({ path }) => path).sort()).toEqual(['golden', 'nmae', 'serial.baud', 'version'])
  })

  it('tells everything that names what is not there, at once', () => {
    const messages = [
      { name: 'a', role: 'tag', when: { nothing: 1 }, fields: [{ name: 'x', type: 'hex', size: { ref: 'later' } }] },
      { name: 'a', role: 'reply', errorCode: 'none' },
    ]
    const problems = problemsOf({ messages, lifecycle: { inventory: 'hostPoll', open: ['gone'] } })
    expect(problems.map(({ path }) => path)).toEqual([
      'messages[0].when.nothing',
      'messages[0].fields[0].size.ref',
      'messages[0].tag',
      'messages[1].errorCode',
      'messages[1].name',
      'commands.ask.expect.messages[0]',
      'commands.ask.expect.messages[1]',
      'commands.ask.expect.okWhen.channel',
      'lifecycle.open[0]',
      'lifecycle.poll',
    ])
  })

  it('tells of a stored setting that is asked for by a command that nothing answers', () => {
    const query = { command: 'tell', reply: 2, sent: 2, bytes: 1 }
    const commands = { ...small.commands, tell: { send: ['01'] }, save: { send: ['02'], stored: { query } } }
    expect(problemsOf({ commands })).toEqual([
      { path: 'commands.save.stored.query.command', message: 'there is no command tell that is answered' },
    ])
  })

  it('refuses a profile whose own frames fail, golden or reject', () => {
    const problems = problemsOf({
      golden: [golden('02010200'), { ...golden('02010201'), verdict: 'tag', fields: { kind: 3 } }],
      reject: [{ hex: '02010201', source: 'made for this test', why: 'is right' }],
    })
    expect(problems).toEqual([
      { path: 'golden[0]', message: 'is refused: checksum' },
      { path: 'golden[1].verdict', message: 'is "status", not "tag"' },
      { path: 'golden[1].fields.kind', message: 'is 2, not 3' },
      { path: 'reject[0]', message: 'is accepted as status' },
    ])
  })

  it('throws one error with a line for each problem', () => {
    expect(() => loadProfile('small', sources({ ...small, id: 'other' }), { sha256 })).toThrow(
      'there is no profile small',
    )
    const broken = { ...small, version: 'new', name: '' }
    expect(() => loadProfile('small', sources(broken), { sha256 })).toThrow(
      /has 2 problems:\n {2}version: .*\n {2}name: /,
    )
  })
})

describe('a profile that extends another', () => {
  const child = {
    id: 'child',
    extends: 'small',
    version: '1.1.0',
    serial: { baud: [115200], parity: 'even' },
    errors: null,
  }

  it('changes what it names and keeps the rest', () => {
    const loaded = loadProfile('child', sources(small, child), { sha256 })
    expect(loaded.serial).toMatchObject({ baud: [115200], parity: 'even', gapMs: 50 })
    expect(loaded.decode(framed('03 07')).error).toEqual({ code: '07' })
    expect(loaded.fingerprint).not.toBe(driver.fingerprint)
  })

  it('is refused when what it extends is not there, or is itself in the end', () => {
    const of = (...documents: { id: string }[]) => checkProfile('child', sources(...documents), { sha256 }).problems
    expect(of(child)).toEqual([{ path: 'extends', message: 'there is no profile small' }])
    expect(of(child, { ...small, extends: 'child' } as { id: string })).toEqual([
      { path: 'extends', message: 'child extends itself in the end' },
    ])
  })
})

describe('a command', () => {
  it('is refused with the one error when a parameter is missing or out of its range', () => {
    const set = { send: ['0A', { param: 'powerDbm', type: 'u8' as const }] }
    const limits = { powerDbm: { min: 5, max: 30, step: 1 } }
    const withSet = loadProfile(
      'small',
      sources({ ...small, limits, commands: { ...small.commands, set } } as { id: string }),
      {
        sha256,
      },
    )
    expect(withSet.commands.get('set')?.needs).toEqual(['powerDbm'])
    expect(() => withSet.encode('set')).toThrow('parameter powerDbm is missing')
    expect(() => withSet.encode('set', { powerDbm: 31 })).toThrow('outside 5 to 30')
    expect(withSet.encode('set', { powerDbm: 30 })).toEqual(framed('0A 1E'))
  })
})
