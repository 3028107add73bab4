import {
  createLlrpFramer,
  createLlrpSession,
  decodeLlrpMessage,
  encodeLlrpMessage,
  findParameter,
  type LlrpAction,
  type LlrpMessage,
  type LlrpSettings,
  parameter,
} from '@biotrakr/firmware-profiles'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLlrpReader, type LlrpReader, type LlrpReaderOutput } from './llrp-reader.ts'
import type { LlrpReaderIdentity } from './llrp-reader-answers.ts'

const WARD_MS = 1_700_000_000_000
const field = [
  { epc: '3034257BF7194E4000001A85', antenna: 1, rssiDbm: -50 },
  { epc: '1FB41F712AC9C37AB79D618173188324001A', antenna: 2, rssiDbm: -61 },
  { epc: '3034257BF7194E4000001A86', antenna: 4, rssiDbm: -70 },
]

const settings: LlrpSettings = {
  region: 'ETSI',
  antennas: [
    { port: 1, powerDbm: 27 },
    { port: 2, powerDbm: 30.1 },
  ],
  rospec: {
    roSpecId: 1,
    session: 1,
    population: 32,
    aiSpecMs: 10_000,
    report: { everyTags: 1 },
    keepaliveMs: 5_000,
    factoryReset: false,
  },
}

function readerOf(identity: Partial<LlrpReaderIdentity> = {}): LlrpReader {
  let seed = 7
  const random = () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return seed / 0x1_0000_0000
  }
  return createLlrpReader({ tags: () => field, readsPerSecond: 10, random, identity })
}

/** A host and a reader with a wire between them and one clock for both. */
function wire({ change = {}, reader = readerOf() }: { change?: Partial<LlrpSettings>; reader?: LlrpReader } = {}) {
  const session = createLlrpSession({ ...settings, ...change })
  const seen: LlrpAction[] = []
  let nowMs = 0
  let cut = false
  const now = () => ({ monoMs: nowMs, wallMs: WARD_MS + nowMs })

  function act(actions: readonly LlrpAction[]): void {
    for (const action of actions) {
      if (action.kind === 'send') deliver(reader.receive('host', action.bytes, now()))
      else if (action.kind === 'close') reader.disconnect('host')
      else seen.push(action)
    }
  }
  function deliver(outputs: readonly LlrpReaderOutput[]): void {
    for (const output of outputs) {
      if (output.client !== 'host' || cut) continue
      if ('bytes' in output) act(session.handle({ kind: 'bytes', monoMs: nowMs, bytes: output.bytes }))
      else act(session.handle({ kind: 'closed', monoMs: nowMs }))
    }
  }
  return {
    reader,
    session,
    seen,
    deliver,
    now,
    /** From now on nothing of the reader arrives. */
    cut: () => {
      cut = true
    },
    connect() {
      act(session.handle({ kind: 'connected', monoMs: nowMs }))
      deliver(reader.connect('host', now()))
    },
    stop: () => act(session.handle({ kind: 'stop', monoMs: nowMs })),
    advance(ms: number) {
      for (const untilMs = nowMs + ms; nowMs < untilMs; ) {
        nowMs += 100
        deliver(reader.advance(now()))
        if ((session.wakeAtMs ?? Number.POSITIVE_INFINITY) <= nowMs)
          act(session.handle({ kind: 'timer', monoMs: nowMs }))
      }
    },
    tags: () => seen.flatMap((action) => (action.kind === 'tags' ? action.tags : [])),
    kinds: () => seen.filter(({ kind }) => kind !== 'tags').map(({ kind }) => kind),
  }
}

/** A host that speaks LLRP by itself: sends one message and gives what comes back. */
function stranger(reader = readerOf()) {
  const framer = createLlrpFramer()
  const now = { monoMs: 0, wallMs: WARD_MS }
  let closed = false
  function messages(outputs: readonly LlrpReaderOutput[]): LlrpMessage[] {
    closed ||= outputs.some((output) => 'close' in output)
    const frames = outputs.flatMap((output) => ('bytes' in output ? framer.push(output.bytes).frames : []))
    return frames.map(decodeLlrpMessage).flatMap((verdict) => (verdict.kind === 'message' ? [verdict.message] : []))
  }
  messages(reader.connect('stranger', now))
  return {
    reader,
    isClosed: () => closed,
    raw: (bytes: Uint8Array) => messages(reader.receive('stranger', bytes, now)),
    ask: (name: LlrpMessage['name'], fields: object = {}, children: LlrpMessage['children'] = []) =>
      messages(
        reader.receive('stranger', encodeLlrpMessage({ name, version: 1, id: 9, fields, children } as never), now),
      ),
    advance: (ms: number) => messages(reader.advance({ monoMs: ms, wallMs: WARD_MS + ms })),
  }
}

const codeOf = (messages: readonly LlrpMessage[]) =>
  messages.map(({ name, children }) => [name, findParameter(children, 'LLRPStatus')?.fields.code])

function spec(id: number, { start = 0, antenna = 1, powerIndex = 1 } = {}) {
  return parameter('ROSpec', { id, priority: 0, state: 0 }, [
    parameter('ROBoundarySpec', {}, [
      parameter('ROSpecStartTrigger', { trigger: start }),
      parameter('ROSpecStopTrigger', { trigger: 1, durationMs: 1_000 }),
    ]),
    parameter('AISpec', { antennas: [antenna] }, [
      parameter('AISpecStopTrigger', { trigger: 0, durationMs: 0 }),
      parameter('InventoryParameterSpec', { id: 1, protocol: 1 }, [
        parameter('AntennaConfiguration', { antenna }, [
          parameter('RFTransmitter', { hopTable: 0, channel: 1, powerIndex }),
        ]),
      ]),
    ]),
    parameter('ROReportSpec', { trigger: 1, n: 0 }, [parameter('TagReportContentSelector', { flags: 0 })]),
  ])
}

describe('a simulated LLRP reader and this project’s host', () => {
  it('bring tags of the configured antennas only, with power, channel, time and PC word', () => {
    const line = wire()
    line.connect()
    line.advance(9_000)
    expect(line.kinds()).toEqual(['identified', 'running'])
    expect(line.seen[1]).toMatchObject({
      powers: [
        { port: 1, dbm: 27 },
        { port: 2, dbm: 30 },
      ],
    })
    expect(line.tags()).toHaveLength(90)
    expect(new Set(line.tags().map(({ epc, antenna, rssiDbm, pc }) => `${epc} ${antenna} ${rssiDbm} ${pc}`))).toEqual(
      new Set(['3034257BF7194E4000001A85 1 -50 3000', '1FB41F712AC9C37AB79D618173188324001A 2 -61 4800']),
    )
    expect(line.tags()[0]).toMatchObject({ readerClock: 'utc', readerTimeMs: WARD_MS + 100, count: 1 })
    expect(new Set(line.tags().map(({ freqKHz }) => freqKHz))).toEqual(new Set([865_700, 866_300, 866_900, 867_500]))
  })

  it('go on over the end of an inventory and answer keepalives for minutes', () => {
    const line = wire()
    line.connect()
    line.advance(120_000)
    expect(line.kinds()).toEqual(['identified', 'running'])
    expect(line.session.counters).toMatchObject({ keepalives: 24, malformed: 0, unknownMessages: 0, strayReplies: 0 })
    expect(line.tags().length).toBeGreaterThan(1_180)
  })

  it('give the same reads when the host asks for them', () => {
    const line = wire({ change: { rospec: { ...settings.rospec, report: { everyMs: 1_000 } } } })
    line.connect()
    line.advance(9_000)
    expect(line.tags().reduce((sum, { count }) => sum + (count ?? 0), 0)).toBeGreaterThanOrEqual(80)
    expect(line.tags().length).toBeLessThanOrEqual(18)
  })

  it('never switch the radio on without a region, nor in another one', () => {
    for (const region of [undefined, 'FCC', 'ETSI_UPPER']) {
      const line = wire({ change: { region } })
      line.connect()
      line.advance(5_000)
      expect([line.reader.radiating, line.tags().length]).toEqual([false, 0])
      expect(line.seen.at(-1)).toMatchObject({ kind: 'fail', failure: 'region', retry: false })
    }
    const hopping = readerOf({ country: 840, standard: 1, hopping: true, khz: [902_750, 927_250] })
    const line = wire({ change: { region: 'FCC' }, reader: hopping })
    line.connect()
    expect(line.kinds()).toEqual(['identified', 'running'])
  })

  it('leave a silent radio behind after a stop', () => {
    const line = wire()
    line.connect()
    line.advance(3_000)
    expect(line.reader.radiating).toBe(true)
    line.stop()
    expect(line.reader.radiating).toBe(false)
    expect(line.seen.at(-1)).toEqual({ kind: 'stopped', confirmed: true })
  })

  it('fall silent by themselves when the host is lost', () => {
    const line = wire()
    line.connect()
    line.advance(3_000)
    line.cut()
    line.reader.disconnect('host')
    line.reader.advance({ monoMs: 11_000, wallMs: WARD_MS })
    expect(line.reader.radiating).toBe(false)
  })

  it('notice lost keepalives, a reboot, and come back', () => {
    const line = wire()
    line.connect()
    line.advance(1_000)
    line.deliver(line.reader.reboot())
    expect(line.seen.at(-1)).toMatchObject({ kind: 'fail', failure: 'closed', retry: true })
    line.connect()
    line.advance(1_000)
    expect(line.kinds().slice(-2)).toEqual(['identified', 'running'])
    line.cut()
    line.advance(12_600)
    expect(line.seen.at(-1)).toMatchObject({ kind: 'fail', failure: 'silent', retry: true })
    expect(line.reader.radiating).toBe(false)
  })

  it('send a second host away in plain words, and tell the first', () => {
    const line = wire()
    line.connect()
    const second = createLlrpSession(settings)
    second.handle({ kind: 'connected', monoMs: 0 })
    const outputs = line.reader.connect('second', line.now())
    const mine = outputs.filter(({ client }) => client === 'second')
    const [greeting, end] = mine as [LlrpReaderOutput & { bytes: Uint8Array }, LlrpReaderOutput]
    expect(second.handle({ kind: 'bytes', monoMs: 0, bytes: greeting.bytes })).toContainEqual(
      expect.objectContaining({ kind: 'fail', failure: 'occupied', why: 'another host already has the reader' }),
    )
    expect(end).toEqual({ client: 'second', close: true })
    line.deliver(outputs)
    expect(line.seen.at(-1)).toEqual({ kind: 'warning', text: 'another host tries to connect to the reader' })
  })

  it('pass on what happens at the reader', () => {
    const line = wire()
    line.connect()
    line.deliver(line.reader.happen(parameter('AntennaEvent', { event: 1, antenna: 2 }), line.now()))
    expect(line.seen.at(-1)).toEqual({ kind: 'antenna', port: 2, connected: true })
  })
})

describe('a simulated LLRP reader and other hosts', () => {
  it('keeps the life cycle of ROSpecs with the standard’s own status codes', () => {
    const host = stranger()
    expect(codeOf(host.ask('START_ROSPEC', { id: 5 }))).toEqual([['START_ROSPEC_RESPONSE', 300]])
    expect(codeOf(host.ask('ADD_ROSPEC', {}, []))).toEqual([['ADD_ROSPEC_RESPONSE', 103]])
    expect(codeOf(host.ask('ADD_ROSPEC', {}, [spec(5, { antenna: 9 })]))).toEqual([['ADD_ROSPEC_RESPONSE', 301]])
    expect(codeOf(host.ask('ADD_ROSPEC', {}, [spec(5, { powerIndex: 99 })]))).toEqual([['ADD_ROSPEC_RESPONSE', 301]])
    expect(codeOf(host.ask('ADD_ROSPEC', {}, [spec(0)]))).toEqual([['ADD_ROSPEC_RESPONSE', 300]])
    expect(codeOf(host.ask('ADD_ROSPEC', {}, [spec(5)]))).toEqual([['ADD_ROSPEC_RESPONSE', 0]])
    expect(codeOf(host.ask('ADD_ROSPEC', {}, [spec(5)]))).toEqual([['ADD_ROSPEC_RESPONSE', 300]])
    expect(codeOf(host.ask('START_ROSPEC', { id: 5 }))).toEqual([['START_ROSPEC_RESPONSE', 112]])
    expect(codeOf(host.ask('ENABLE_ROSPEC', { id: 5 }))).toEqual([['ENABLE_ROSPEC_RESPONSE', 0]])
    expect(codeOf(host.ask('STOP_ROSPEC', { id: 5 }))).toEqual([['STOP_ROSPEC_RESPONSE', 112]])
    expect(codeOf(host.ask('START_ROSPEC', { id: 5 }))).toEqual([['START_ROSPEC_RESPONSE', 0]])
    expect(host.reader.radiating).toBe(true)
    const [shown] = host.ask('GET_ROSPECS')
    expect(findParameter(shown?.children ?? [], 'ROSpec')?.fields).toMatchObject({ id: 5, state: 2 })
    expect(codeOf(host.ask('DELETE_ROSPEC', { id: 0 }))).toEqual([['DELETE_ROSPEC_RESPONSE', 0]])
    expect(host.reader.radiating).toBe(false)
  })

  it('starts by itself what is to start at once, again and again, and reports at the end', () => {
    const host = stranger()
    host.ask('ADD_ROSPEC', {}, [spec(5, { start: 1 })])
    host.ask('ENABLE_ROSPEC', { id: 5 })
    expect(host.advance(900)).toEqual([])
    expect(host.advance(1_000).map(({ name }) => name)).toEqual(['RO_ACCESS_REPORT'])
    host.advance(1_100)
    expect(host.advance(2_100).map(({ name }) => name)).toEqual(['RO_ACCESS_REPORT'])
  })

  it('agrees on version 1.1 with a host that asks for it', () => {
    const host = stranger()
    expect(host.ask('GET_SUPPORTED_VERSION')).toMatchObject([{ version: 2, fields: { current: 1, highest: 2 } }])
    expect(codeOf(host.ask('SET_PROTOCOL_VERSION', { version: 3 }))).toEqual([['SET_PROTOCOL_VERSION_RESPONSE', 110]])
    expect(host.ask('SET_PROTOCOL_VERSION', { version: 2 })).toMatchObject([{ version: 2 }])
    expect(host.ask('GET_READER_CONFIG', { antenna: 0, requested: 0, gpi: 0, gpo: 0 })).toMatchObject([
      { name: 'GET_READER_CONFIG_RESPONSE', version: 2 },
    ])
  })

  it('answers what it cannot do with ERROR_MESSAGE and what it cannot read by hanging up', () => {
    const host = stranger()
    expect(codeOf(host.raw(Buffer.from('042800000010000000090001020304ff', 'hex')))).toEqual([['ERROR_MESSAGE', 109]])
    expect(codeOf(host.raw(Buffer.from('04150000000c000000090001', 'hex')))).toEqual([['ERROR_MESSAGE', 100]])
    expect(codeOf(host.ask('GET_ACCESSSPECS'))).toEqual([['GET_ACCESSSPECS_RESPONSE', 0]])
    expect(codeOf(host.ask('DELETE_ACCESSSPEC', { id: 0 }))).toEqual([['DELETE_ACCESSSPEC_RESPONSE', 0]])
    expect(codeOf(host.raw(Buffer.from('GET / HTTP/1.1')))).toEqual([['ERROR_MESSAGE', 110]])
    expect(host.isClosed()).toBe(true)
  })

  it('throws at no bytes whatever', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }), (chunks) => {
        const { reader, raw } = stranger()
        for (const chunk of chunks) raw(Uint8Array.from([4, 20, 0, 0, 0, 10 + chunk.length, 0, 0, 0, 1, ...chunk]))
        expect(reader.radiating).toBe(false)
      }),
    )
  })
})
