import { BioTrakrError } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { createProblemBoard } from './problem-board.ts'
import { connectRefused, disconnected, publishRefused, unreachable } from './reasons.ts'

function boardBench() {
  const lines: string[] = []
  const keep = (level: string) => (_fields: object, text: string) => {
    lines.push(`${level}: ${text}`)
  }
  const board = createProblemBoard({
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
  })
  return { board, lines }
}

const lost = new BioTrakrError('no connection', { code: 'BROKER_UNREACHABLE', next: 'Look at it.' })
const denied = new BioTrakrError('not allowed', { code: 'SYNC_PUBLISH_DENIED', next: 'Allow it.' })

describe('the problem board', () => {
  it('warns of a problem once and counts its repeats', () => {
    const { board, lines } = boardBench()
    for (let i = 0; i < 3; i++) board.report(lost)
    expect(lines.map((line) => line.split(':')[0])).toEqual(['warn', 'debug', 'debug'])
    expect(board.current).toEqual({ code: 'BROKER_UNREACHABLE', message: 'no connection', next: 'Look at it.' })
  })

  it('calls it an error when only a person can settle it, with the next step and the code', () => {
    const { board, lines } = boardBench()
    board.report(denied)
    expect(lines).toEqual(['error: not allowed. Allow it. [SYNC_PUBLISH_DENIED]'])
  })

  it('settles only what it is told to, and says so', () => {
    const { board, lines } = boardBench()
    board.report(denied)
    board.settle(['BROKER_UNREACHABLE'])
    expect(board.current?.code).toBe('SYNC_PUBLISH_DENIED')
    board.settle()
    board.settle()
    expect(board.current).toBeUndefined()
    expect(lines.at(-1)).toBe('info: settled: not allowed')
    expect(lines).toHaveLength(2)
  })
})

describe('reasons in plain words', () => {
  const failure = (code: string) => unreachable(Object.assign(new Error('raw'), { code }), 'b:8883')

  it('blames the clock before the certificate when a date does not fit', () => {
    expect(failure('CERT_NOT_YET_VALID').next).toMatch(/date and time first/)
    expect(failure('CERT_HAS_EXPIRED').next).toMatch(/date and time first/)
  })

  it('keeps the raw cause where it knows no better words', () => {
    expect(failure('E_NEVER_SEEN').message).toBe('no connection to the broker b:8883: raw')
    expect(connectRefused(0xfe, 'b:8883').message).toContain('a reason unknown here, reason 0xfe')
  })

  it('names code and topic of what a broker refuses', () => {
    expect(publishRefused(0x97, 'a/b').message).toBe('the broker refused a message on a/b: quota exceeded, reason 0x97')
    expect(publishRefused(0x87, 'a/b')).toMatchObject({ code: 'SYNC_PUBLISH_DENIED' })
    expect(disconnected(0x8e, 'b:8883')).toMatchObject({ code: 'SYNC_TWIN' })
    expect(disconnected(0x8b, 'b:8883').message).toContain('server shutting down')
  })
})
