import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { type DownMessage, type Hello, parseDownMessage, parseGatewayState, parseHello } from './control.ts'

const epoch = '7-0123456789abcdef'
const hello: Hello = { software: '0.1.0', store: 'a1', epochs: [{ epoch, first: 1, last: 9 }] }
const answers: DownMessage[] = [
  { type: 'ack', epoch, hw: 12, quarantined: [{ first: 3, last: 4, code: 'WIRE_CONTENT' }], serverTimeMs: 1.5 },
  { type: 'nack', epoch, need: 5 },
  { type: 'welcome', epochs: [{ epoch, hw: 0 }] },
  { type: 'refuse', code: 'GATEWAY_UNKNOWN', detail: 'not registered' },
]

describe('control messages', () => {
  it('are read back as they were written', () => {
    expect(parseHello(JSON.stringify(hello))).toEqual(hello)
    expect(parseGatewayState('{"online":true,"software":"0.1.0"}')).toEqual({ online: true, software: '0.1.0' })
    expect(parseGatewayState('{"online":false}')).toEqual({ online: false })
    for (const answer of answers) expect(parseDownMessage(JSON.stringify(answer))).toEqual(answer)
  })

  it('may have keys that are not known here', () => {
    expect(parseDownMessage(JSON.stringify({ ...answers[1], later: { than: 'this' } }))).toEqual(answers[1])
    expect(parseHello(JSON.stringify({ ...hello, later: true }))).toEqual(hello)
  })

  it.each([
    ['an unknown type', { type: 'reboot' }],
    ['no type', { epoch, need: 5 }],
    ['a key too few', { type: 'nack', epoch }],
    ['an epoch that is none', { type: 'nack', epoch: '7', need: 5 }],
    ['an epoch with leading zeros', { type: 'nack', epoch: `0${epoch}`, need: 5 }],
    ['a negative number', { type: 'nack', epoch, need: -1 }],
    ['a fraction', { type: 'nack', epoch, need: 1.5 }],
    ['a number beyond 2^53', { type: 'nack', epoch, need: 2 ** 53 }],
    ['a number as text', { type: 'nack', epoch, need: '5' }],
    ['too long a code', { type: 'refuse', code: 'x'.repeat(65), detail: '' }],
    ['too long a list', { type: 'welcome', epochs: new Array(10_001).fill({ epoch, hw: 0 }) }],
  ])('are refused with %s', (_, message) => {
    expect(parseDownMessage(JSON.stringify(message))).toBeUndefined()
  })

  it('are refused when a hello or state is not well-formed', () => {
    expect(parseHello(JSON.stringify({ ...hello, epochs: [{ epoch, first: 1 }] }))).toBeUndefined()
    expect(parseHello(JSON.stringify({ ...hello, store: 'x'.repeat(65) }))).toBeUndefined()
    expect(parseGatewayState('{"online":"yes"}')).toBeUndefined()
  })

  it('never throw, whatever the text is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        for (const parse of [parseHello, parseGatewayState, parseDownMessage]) expect(parse(text)).toBeUndefined()
      }),
    )
    expect(parseDownMessage('['.repeat(200_000))).toBeUndefined()
  })
})
