import { describe, expect, it } from 'vitest'

import { isGatewayId, isName, isReceiverId, isRoomId } from './ids.ts'

describe('isGatewayId', () => {
  it.each(['gw1', 'ward-3-east', '0a-', `g${'x'.repeat(62)}`])('takes %s', (text) => {
    expect(isGatewayId(text)).toBe(true)
  })

  it.each(['ingester', 'serve'])('leaves %s to the centre', (text) => {
    expect(isGatewayId(text)).toBe(false)
  })

  it.each([
    '',
    'gw',
    '-gw',
    'Ward-3',
    'ward_3',
    'ward 3',
    'ward/3',
    'ward+3',
    'ward#3',
    '$share',
    'ward-3\n',
    'wärd',
    `g${'x'.repeat(63)}`,
  ])('refuses %j, which would leave its topic tree or cannot be a certificate name', (text) => {
    expect(isGatewayId(text)).toBe(false)
  })
})

describe('isName', () => {
  it.each(['a', 'Ward 3 / Bay 2', 'Schockraum Süd', '手術室 1', 'x'.repeat(64)])('takes %s', (text) => {
    expect([isName(text), isRoomId(text), isReceiverId(text)]).toEqual([true, true, true])
  })

  it.each(['', ' ', ' a', 'a ', 'a\tb', 'a\nb', 'a\u0000b', 'a\u007fb', '\ufeffa', 'x'.repeat(65)])(
    'refuses %j',
    (text) => {
      expect([isName(text), isRoomId(text), isReceiverId(text)]).toEqual([false, false, false])
    },
  )

  it('refuses half a surrogate pair, which has no UTF-8 and would come back as another name', () => {
    expect(isName('bay \ud83d')).toBe(false)
    expect(isName('bay \ud83d\ude00')).toBe(true)
  })
})
