import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { describe, expect, it } from 'vitest'

import type { LlrpSettings } from './llrp-commands.ts'
import { decodeLlrpMessage, encodeLlrpMessage, type LlrpMessage, type LlrpMessageName } from './llrp-messages.ts'
import { type LlrpParameter, parameter } from './llrp-parameters.ts'
import { createLlrpSession } from './llrp-session.ts'
import type { LlrpAction } from './llrp-session-types.ts'

const settings: LlrpSettings = {
  region: 'FCC',
  antennas: [{ port: 1, powerDbm: 27 }],
  rospec: {
    roSpecId: 7,
    session: 1,
    population: 32,
    aiSpecMs: 30_000,
    report: { everyTags: 1 },
    keepaliveMs: 5_000,
    factoryReset: false,
  },
}

/** A recorded reader's capabilities: Impinj, FCC, country 840. */
const capabilities = Buffer.from(
  readFileSync(
    fileURLToPath(new URL('../llrp/captures/impinj-capabilities/input.hex', import.meta.url)),
    'utf8',
  ).trim(),
  'hex',
)

function message(name: LlrpMessageName, id: number, children: readonly LlrpParameter[]): Uint8Array {
  return encodeLlrpMessage({ name, version: 1, id, fields: {}, children } as never)
}

function status(code = 0, text = ''): LlrpParameter {
  return parameter('LLRPStatus', { code, text })
}

function event(...events: LlrpParameter[]): Uint8Array {
  const data = parameter('ReaderEventNotificationData', {}, [parameter('UTCTimestamp', { us: 1 }), ...events])
  return message('READER_EVENT_NOTIFICATION', 1, [data])
}

const greeting = event(parameter('ConnectionAttemptEvent', { status: 0 }))

/** A session and what it did, step by step. */
function bench(change: Partial<LlrpSettings> = {}) {
  const session = createLlrpSession({ ...settings, ...change })
  let nowMs = 1_000
  const sent: LlrpMessage[] = []
  const done: LlrpAction[] = []

  function take(actions: readonly LlrpAction[]): readonly LlrpAction[] {
    for (const action of actions) {
      if (action.kind !== 'send') {
        done.push(action)
        continue
      }
      const verdict = decodeLlrpMessage(action.bytes)
      if (verdict.kind === 'message') sent.push(verdict.message)
    }
    return actions
  }
  const bytes = (one: Uint8Array) => take(session.handle({ kind: 'bytes', monoMs: nowMs, bytes: one }))
  const event = (kind: 'connected' | 'closed' | 'stop') => take(session.handle({ kind, monoMs: nowMs }))
  const answer = (...children: LlrpParameter[]) => {
    const asked = sent.at(-1) as LlrpMessage
    return bytes(message(`${asked.name}_RESPONSE` as LlrpMessageName, asked.id, children))
  }
  return {
    session,
    sent,
    done,
    bytes,
    event,
    answer,
    names: () => sent.map(({ name }) => name),
    failure: () => done.find((action) => action.kind === 'fail'),
    /** Runs every timer that falls due. */
    advance(ms: number) {
      const untilMs = nowMs + ms
      for (let due = session.wakeAtMs; due !== undefined && due <= untilMs; due = session.wakeAtMs) {
        nowMs = Math.max(nowMs, due)
        take(session.handle({ kind: 'timer', monoMs: nowMs }))
      }
      nowMs = untilMs
    },
    identify() {
      event('connected')
      bytes(greeting)
      const reply = Uint8Array.from(capabilities)
      new DataView(reply.buffer).setUint32(6, sent.at(-1)?.id ?? 0)
      bytes(reply)
    },
    run() {
      this.identify()
      for (let i = 0; i < 5; i++) answer(status())
    },
  }
}

describe('an LLRP session', () => {
  it('brings a reader from its greeting to running tags, in the order of the standard', () => {
    const host = bench()
    host.run()
    expect(host.names()).toEqual([
      'GET_READER_CAPABILITIES',
      'SET_READER_CONFIG',
      'DELETE_ROSPEC',
      'ADD_ROSPEC',
      'ENABLE_ROSPEC',
      'START_ROSPEC',
      'ENABLE_EVENTS_AND_REPORTS',
    ])
    expect(host.sent[2]?.fields).toEqual({ id: 0 })
    expect(host.done.map(({ kind }) => kind)).toEqual(['identified', 'running'])
    expect(host.done[1]).toEqual({ kind: 'running', powers: [{ port: 1, dbm: 27, index: 69 }] })
  })

  it.each([
    [{ region: 'EUROPE' }, 'settings', /"EUROPE" is none of/],
    [{ antennas: [] }, 'settings', /no antenna/],
    [{ antennas: [{ port: 1, powerDbm: 60 }] }, 'settings', /not -10 to 36 dBm/],
    [{ rospec: { ...settings.rospec, session: 4 } }, 'settings', /session is not 0 to 3/],
    [{ rospec: { ...settings.rospec, report: { everyMs: 1 } } }, 'settings', /everyMs/],
  ] as const)('sends nothing at all with %j', (change, failure, why) => {
    const host = bench(change)
    host.event('connected')
    host.bytes(greeting)
    host.bytes(capabilities)
    host.advance(60_000)
    expect(host.sent).toEqual([])
    expect(host.failure()).toEqual({ kind: 'fail', failure, why: expect.stringMatching(why), retry: false })
  })

  it.each([
    [{ region: undefined }, /no region is configured/],
    [{ region: 'ETSI' }, /set up for US FCC part 15, the configuration says ETSI/],
    [{ countryCode: 276 }, /country 840, the configuration says 276/],
  ] as const)('asks a reader only what it is when its region is not sure: %j', (change, why) => {
    const host = bench(change)
    host.identify()
    expect(host.names()).toEqual(['GET_READER_CAPABILITIES', 'CLOSE_CONNECTION'])
    expect(host.failure()).toEqual({ kind: 'fail', failure: 'region', why: expect.stringMatching(why), retry: false })
    expect(host.done.map(({ kind }) => kind)).toEqual(['identified', 'close', 'fail'])
  })

  it('says in plain words when another host has the reader', () => {
    const host = bench()
    host.event('connected')
    host.bytes(event(parameter('ConnectionAttemptEvent', { status: 2 })))
    expect(host.failure()).toMatchObject({
      failure: 'occupied',
      why: 'another host already has the reader',
      retry: true,
    })
    expect(host.sent).toEqual([])
  })

  it('warns and goes on when another host tries to connect', () => {
    const host = bench()
    host.run()
    host.bytes(event(parameter('ConnectionAttemptEvent', { status: 4 })))
    expect(host.done.at(-1)).toEqual({ kind: 'warning', text: 'another host tries to connect to the reader' })
  })

  it('names the command that a reader refuses, why, and what the reader says of it', () => {
    const host = bench()
    host.identify()
    host.answer(status())
    host.answer(status())
    host.answer(status(301, 'TransmitPower\u001b[31m'))
    expect(host.failure()).toEqual({
      kind: 'fail',
      failure: 'refused',
      why: 'the reader refused ADD_ROSPEC: a value is out of range (status 301: TransmitPower [31m)',
      retry: true,
    })
    expect(host.names().slice(-3)).toEqual(['STOP_ROSPEC', 'DELETE_ROSPEC', 'CLOSE_CONNECTION'])
  })

  it('takes an ERROR_MESSAGE with the id of its question for the answer, and no other', () => {
    const host = bench()
    host.event('connected')
    host.bytes(greeting)
    host.bytes(message('ERROR_MESSAGE', 4_711, [status(109)]))
    expect([host.failure(), host.session.counters.strayReplies]).toEqual([undefined, 1])
    host.bytes(message('ERROR_MESSAGE', host.sent[0]?.id ?? 0, [status(109)]))
    expect(host.failure()).toMatchObject({
      failure: 'refused',
      why: expect.stringContaining('does not support this message'),
    })
  })

  it('acknowledges keepalives and gives up after 2.5 periods without a sign of life', () => {
    const host = bench({ rospec: { ...settings.rospec, aiSpecMs: 0 } })
    host.run()
    for (let i = 0; i < 10; i++) {
      host.advance(12_499)
      host.bytes(message('KEEPALIVE', i + 100, []))
      expect(host.sent.at(-1)).toMatchObject({ name: 'KEEPALIVE_ACK', id: i + 100 })
    }
    host.advance(12_500)
    expect(host.failure()).toMatchObject({
      failure: 'silent',
      why: expect.stringContaining('2.5 keepalive periods'),
      retry: true,
    })
    expect(host.names().slice(-3)).toEqual(['STOP_ROSPEC', 'DELETE_ROSPEC', 'CLOSE_CONNECTION'])
    expect(host.session.wakeAtMs).toBeUndefined()
  })

  it('gives up on a reader that does not greet or does not answer', () => {
    const mute = bench()
    mute.event('connected')
    mute.advance(10_000)
    expect(mute.failure()).toMatchObject({ failure: 'silent', why: 'the reader does not greet' })
    const stuck = bench()
    stuck.identify()
    stuck.advance(10_000)
    expect(stuck.failure()).toMatchObject({ why: 'the reader does not answer SET_READER_CONFIG' })
  })

  it('starts the next inventory when the reader reports the end of one', () => {
    const host = bench()
    host.run()
    const ended = event(parameter('ROSpecEvent', { event: 1, id: 7, preemptingId: 0 }))
    for (let i = 0; i < 3; i++) {
      host.advance(4_000)
      host.bytes(ended)
      expect(host.sent.at(-1)).toMatchObject({ name: 'START_ROSPEC', fields: { id: 7 } })
      host.answer(status())
    }
    host.bytes(event(parameter('ROSpecEvent', { event: 1, id: 8, preemptingId: 0 })))
    host.bytes(event(parameter('ROSpecEvent', { event: 0, id: 7, preemptingId: 0 })))
    expect(host.names().filter((name) => name === 'START_ROSPEC')).toHaveLength(4)
    for (let i = 0; i < 10; i++) {
      host.advance(4_000)
      host.bytes(message('KEEPALIVE', 1, []))
    }
    expect(host.failure()).toMatchObject({ failure: 'silent', why: expect.stringContaining('aiSpecMs') })
  })

  it('asks for reports when that is configured, once at a time', () => {
    const host = bench({ rospec: { ...settings.rospec, aiSpecMs: 0, report: { everyMs: 500 } } })
    host.run()
    host.advance(2_000)
    expect(host.names().filter((name) => name === 'GET_REPORT')).toHaveLength(1)
    host.bytes(message('RO_ACCESS_REPORT', 1, []))
    host.advance(500)
    host.advance(500)
    expect(host.names().filter((name) => name === 'GET_REPORT')).toHaveLength(2)
  })

  it('passes on antennas, full buffers and faults in plain words', () => {
    const host = bench()
    host.run()
    host.bytes(
      event(
        parameter('AntennaEvent', { event: 0, antenna: 2 }),
        parameter('ReportBufferLevelWarningEvent', { percentFull: 80 }),
        parameter('ReportBufferOverflowErrorEvent', {}),
        parameter('ReaderExceptionEvent', { message: 'PLL unlocked' }),
      ),
    )
    host.bytes(event(parameter('ROSpecEvent', { event: 2, id: 7, preemptingId: 9 })))
    expect(host.done.slice(2)).toEqual([
      { kind: 'antenna', port: 2, connected: false },
      { kind: 'warning', text: "the reader's report buffer is 80 % full" },
      { kind: 'warning', text: 'the report buffer of the reader ran over: tag reports are lost' },
      { kind: 'warning', text: 'the reader reports a fault: PLL unlocked' },
      { kind: 'warning', text: 'another inventory (ROSpec 9) pushed this one aside' },
    ])
  })

  it('gives no tags of an inventory that is not its own', () => {
    const host = bench()
    const report = message('RO_ACCESS_REPORT', 1, [
      parameter('TagReportData', {}, [parameter('EPC96', { epc: '3000ABCDEF00000000000003' })]),
    ])
    host.identify()
    host.bytes(report)
    expect(host.session.counters.tags).toBe(0)
    for (let i = 0; i < 5; i++) host.answer(status())
    host.bytes(report)
    expect(host.done.at(-1)).toEqual({ kind: 'tags', tags: [{ epc: '3000ABCDEF00000000000003' }] })
  })

  it('switches the radio off and says goodbye when it is stopped', () => {
    const host = bench()
    host.run()
    host.event('stop')
    for (let i = 0; i < 3; i++) host.answer(status())
    host.answer(status())
    expect(host.names().slice(-4)).toEqual(['STOP_ROSPEC', 'DISABLE_ROSPEC', 'DELETE_ROSPEC', 'CLOSE_CONNECTION'])
    expect(host.done.slice(-2)).toEqual([{ kind: 'stopped', confirmed: true }, { kind: 'close' }])
  })

  it('sends every command of the stop even to a reader that is silent or refuses', () => {
    const host = bench()
    host.run()
    host.event('stop')
    host.answer(status(112))
    host.advance(3_000)
    expect(host.names().slice(-4)).toEqual(['STOP_ROSPEC', 'DISABLE_ROSPEC', 'DELETE_ROSPEC', 'CLOSE_CONNECTION'])
    expect(host.done.slice(-2)).toEqual([{ kind: 'stopped', confirmed: false }, { kind: 'close' }])
  })

  it('stops in the middle of the set-up: what was not added need not be stopped', () => {
    const host = bench()
    host.identify()
    host.event('stop')
    expect(host.names().slice(-2)).toEqual(['SET_READER_CONFIG', 'CLOSE_CONNECTION'])
  })

  it('ends on bytes that are not LLRP, and starts again from the beginning on the next connection', () => {
    const host = bench()
    host.run()
    host.bytes(Buffer.from('HTTP/1.1 400 Bad Request'))
    expect(host.failure()).toMatchObject({ failure: 'garbage', retry: true })
    host.run()
    expect(host.names().slice(-7)[0]).toBe('GET_READER_CAPABILITIES')
    expect(host.done.at(-1)?.kind).toBe('running')
  })

  it('tells a connection that ended from one that the reader closes', () => {
    const host = bench()
    host.run()
    host.event('closed')
    expect(host.done.at(-1)).toMatchObject({ failure: 'closed', why: 'the connection to the reader ended' })
    host.run()
    host.bytes(event(parameter('ConnectionCloseEvent', {})))
    expect(host.done.at(-1)).toMatchObject({ failure: 'closed', why: 'the reader closes the connection' })
  })
})
