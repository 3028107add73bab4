import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { type LlrpReaderInfo, powerLevel, readCapabilities } from './llrp-capabilities.ts'
import { type LlrpSettings, planFor, readerConfig, roSpec } from './llrp-commands.ts'
import { createLlrpFramer } from './llrp-framer.ts'
import { decodeLlrpMessage, encodeLlrpMessage } from './llrp-messages.ts'
import { parameter } from './llrp-parameters.ts'
import { tagsOfReport } from './llrp-report.ts'
import { createLlrpSession } from './llrp-session.ts'

const read = (name: string): readonly Uint8Array[] =>
  readFileSync(fileURLToPath(new URL(`../llrp/captures/${name}/input.hex`, import.meta.url)), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Buffer.from(line, 'hex'))

const recorded = ['impinj-capabilities', 'impinj-answers', 'nine-reports', 'long-epc', 'events', 'commands'].flatMap(
  read,
)

const rospec: LlrpSettings['rospec'] = {
  roSpecId: 7,
  session: 2,
  population: 40,
  mode: 1000,
  aiSpecMs: 10_000,
  report: { everyTags: 5 },
  keepaliveMs: 5_000,
  factoryReset: false,
}
const antennas = [
  { port: 1, powerDbm: 27.1 },
  { port: 4, powerDbm: 33 },
]

function impinj(): LlrpReaderInfo {
  const verdict = decodeLlrpMessage(read('impinj-capabilities')[0] as Uint8Array)
  const reader = verdict.kind === 'message' ? readCapabilities(verdict.message.children) : 'not decoded'
  if (typeof reader === 'string') throw new Error(reader)
  return reader
}

describe('an encoded LLRP command', () => {
  const plan = planFor(impinj(), { region: 'FCC', antennas, rospec })
  const powers = plan.kind === 'plan' ? plan.powers : []
  const children = [...readerConfig(rospec)]
  const commands = [
    { name: 'SET_READER_CONFIG', fields: { factoryReset: true }, children },
    { name: 'ADD_ROSPEC', fields: {}, children: [roSpec(rospec, impinj(), powers)] },
    { name: 'GET_READER_CAPABILITIES', fields: { requested: 0 }, children: [] },
    { name: 'DELETE_ROSPEC', fields: { id: 0xffff_ffff }, children: [] },
    { name: 'ENABLE_EVENTS_AND_REPORTS', fields: {}, children: [] },
  ] as const

  it.each(commands)('$name decodes to what was encoded and encodes to the same bytes', (command) => {
    const head = { version: 1, id: 0x8000_0001 }
    const bytes = encodeLlrpMessage({ ...command, ...head } as never)
    const verdict = decodeLlrpMessage(bytes)
    expect(verdict).toEqual({
      kind: 'message',
      message: { ...command, ...head },
      skipped: { unknown: 0, custom: 0 },
    })
    if (verdict.kind === 'message') expect(encodeLlrpMessage(verdict.message as never)).toEqual(bytes)
  })
})

describe('configured power', () => {
  it('becomes the strongest level of the reader that is not above it', () => {
    const reader = impinj()
    expect(planFor(reader, { region: 'FCC', antennas, rospec })).toEqual({
      kind: 'plan',
      powers: [
        { port: 1, dbm: 27, index: 69 },
        { port: 4, dbm: 30, index: 81 },
      ],
    })
    expect(powerLevel(reader, 10)).toEqual({ index: 1, dbm: 10 })
    expect(powerLevel(reader, 9.99)).toBeUndefined()
  })

  it('is refused for a port or a mode that the reader has not, or below its weakest level', () => {
    const plan = (change: Partial<LlrpSettings>) =>
      planFor(impinj(), { region: 'FCC', antennas: [{ port: 1, powerDbm: 20 }], rospec, ...change })
    expect(plan({ antennas: [{ port: 5, powerDbm: 20 }] })).toMatchObject({ kind: 'settings' })
    expect(plan({ antennas: [{ port: 1, powerDbm: 5 }] })).toMatchObject({ kind: 'settings' })
    expect(plan({ rospec: { ...rospec, mode: 77 } })).toMatchObject({ kind: 'settings' })
  })
})

describe('the reader’s region', () => {
  it.each([
    ['FCC', 840, undefined],
    ['FCC', undefined, undefined],
    ['ETSI', undefined, /set up for US FCC part 15, the configuration says ETSI/],
    ['FCC', 124, /country 840, the configuration says 124/],
    ['MOON', undefined, /"MOON" is none of ETSI/],
  ] as const)('%s with country %s is held against what the reader says', (region, countryCode, why) => {
    const plan = planFor(impinj(), { region, countryCode, antennas, rospec })
    if (why === undefined) expect(plan.kind).toBe('plan')
    else expect(plan).toEqual({ kind: 'region', why: expect.stringMatching(why) })
  })

  it('is refused when a frequency lies outside, or when the reader says nothing at all', () => {
    const reader = { ...impinj(), standard: 0, country: 0 }
    expect(planFor(reader, { region: 'FCC', antennas, rospec }).kind).toBe('plan')
    expect(planFor(reader, { region: 'ETSI', antennas, rospec })).toMatchObject({
      kind: 'region',
      why: expect.stringContaining('outside ETSI'),
    })
    expect(planFor({ ...reader, frequencies: [] }, { region: 'FCC', antennas, rospec })).toMatchObject({
      kind: 'region',
    })
  })
})

describe('the LLRP framer', () => {
  const stream = Buffer.concat(recorded)

  it('gives the same messages however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 60 }), (sizes) => {
        const framer = createLlrpFramer()
        const frames: Uint8Array[] = []
        for (let at = 0, i = 0; at < stream.length; i++) {
          const to = Math.min(stream.length, at + (sizes[i % sizes.length] as number))
          frames.push(...framer.push(stream.subarray(at, to)).frames)
          at = to
        }
        expect(Buffer.concat(frames).equals(stream)).toBe(true)
        expect([frames.length, framer.heldBytes]).toEqual([recorded.length, 0])
      }),
      { numRuns: 200 },
    )
  })

  it.each([
    ['another version', '0c3e0000000a00000001'],
    ['reserved bits', 'e43e0000000a00000001'],
    ['a length below the header', '043e0000000900000001'],
    ['a length above the bound', '043e0020000000000001'],
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request').toString('hex')],
  ])('takes %s for garbage and stays there', (_, hex) => {
    const framer = createLlrpFramer()
    const whole = recorded[1] as Uint8Array
    const verdict = framer.push(Buffer.concat([whole, Buffer.from(hex, 'hex')]))
    expect(verdict.frames).toHaveLength(1)
    expect(verdict.garbage).toBeTypeOf('string')
    expect(framer.push(whole)).toEqual({ frames: [], garbage: verdict.garbage })
  })

  it('holds no more than the longest message of random bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), (chunks) => {
        const framer = createLlrpFramer({ maxBytes: 1_000 })
        for (const chunk of chunks) {
          for (const frame of framer.push(chunk).frames) decodeLlrpMessage(frame)
          expect(framer.heldBytes).toBeLessThanOrEqual(1_000)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('the LLRP decoder', () => {
  it('passes over parameters it does not know and those of vendors, and counts them', () => {
    // An ImpinjRFPhaseAngle (vendor 25882) and a parameter 900 beside an EPC.
    const custom = '03ff000e0000651a000000380123'
    const unknown = '038400068765'
    const body = `8d3000abcdef00000000000003810001${unknown}${custom}`
    const length = 4 + body.length / 2
    const head = `043d000000${(10 + length).toString(16)}0000000100f000${length.toString(16)}`
    const frame = Buffer.from(head + body, 'hex')
    const verdict = decodeLlrpMessage(frame)
    expect(verdict).toMatchObject({ kind: 'message', skipped: { unknown: 1, custom: 1 } })
    if (verdict.kind === 'message') {
      expect(tagsOfReport(verdict.message.children).tags).toEqual([{ epc: '3000ABCDEF00000000000003', antenna: 1 }])
    }
  })

  it('tells channels and the time since start when that is what a reader sends', () => {
    const report = parameter('TagReportData', {}, [
      parameter('EPC96', { epc: '3000ABCDEF00000000000003' }),
      parameter('ChannelIndex', { index: 2 }),
      parameter('FirstSeenTimestampUptime', { us: 5_000_999 }),
      parameter('C1G2CRC', { crc: 0xab }),
    ])
    expect(tagsOfReport([report, parameter('TagReportData', {})], impinj())).toEqual({
      tags: [
        {
          epc: '3000ABCDEF00000000000003',
          freqKHz: impinj().frequencies[0]?.khz[1],
          readerTimeMs: 5_000,
          readerClock: 'uptime',
          tagCrc: '00AB',
        },
      ],
      nameless: 1,
    })
  })

  it('refuses parameters nested deeper than any message needs', () => {
    const deep = Buffer.alloc(4 * 10_000)
    for (let i = 0; i < 10_000; i++) {
      deep.writeUInt16BE(240, i * 4)
      deep.writeUInt16BE(deep.length - i * 4, i * 4 + 2)
    }
    const frame = Buffer.concat([Buffer.from('043d0000000000000001', 'hex'), deep])
    expect(decodeLlrpMessage(frame)).toMatchObject({ kind: 'malformed', why: 'parameters are nested too deep' })
  })

  it('throws at none of 200,000 mutated frames, nor does a session that is fed with them', () => {
    let seed = 1
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((seed / 0x1_0000_0000) * below)
    }
    const verdicts = { message: 0, unknown: 0, malformed: 0 }
    for (let i = 0; i < 200_000; i++) {
      const frame = Uint8Array.from(recorded[1 + random(recorded.length - 1)] as Uint8Array)
      for (let n = random(4); n >= 0; n--) frame[random(frame.length)] = random(256)
      const cut = random(3) === 0 ? frame.subarray(0, random(frame.length + 1)) : frame
      const verdict = decodeLlrpMessage(cut)
      verdicts[verdict.kind] += 1
      if (verdict.kind === 'message') tagsOfReport(verdict.message.children)
      if (i % 20 !== 0) continue
      const session = createLlrpSession({ region: 'FCC', antennas, rospec })
      session.handle({ kind: 'connected', monoMs: 0 })
      session.handle({ kind: 'bytes', monoMs: 1, bytes: recorded.find((one) => one[1] === 63) as Uint8Array })
      session.handle({ kind: 'bytes', monoMs: 2, bytes: cut })
    }
    expect(verdicts.message + verdicts.unknown + verdicts.malformed).toBe(200_000)
    expect(Math.min(verdicts.message, verdicts.unknown, verdicts.malformed)).toBeGreaterThan(1_000)
  })
})
