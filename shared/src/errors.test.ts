import { describe, expect, it } from 'vitest'

import { BioTrakrError, explainError } from './errors.ts'

const next = 'Start the broker.'

describe('explainError', () => {
  it('says what failed, why, what to do now, and the code', () => {
    const cause = new Error('connect ECONNREFUSED')
    const error = new BioTrakrError('The broker does not answer', { code: 'BROKER_UNREACHABLE', next, cause })
    expect(explainError(error)).toBe(
      'The broker does not answer (connect ECONNREFUSED). Start the broker. [BROKER_UNREACHABLE]',
    )
  })

  it('leaves out a cause that there is not', () => {
    const error = new BioTrakrError('The broker does not answer', { code: 'BROKER_UNREACHABLE', next })
    expect(explainError(error)).toBe('The broker does not answer. Start the broker. [BROKER_UNREACHABLE]')
    expect(error).not.toHaveProperty('cause')
  })

  it('puts the next step on a line of its own below a message of several lines', () => {
    const error = new BioTrakrError('a.yaml has 1 problem:\n  port: too big', { code: 'CONFIG_INVALID', next })
    expect(explainError(error)).toBe('a.yaml has 1 problem:\n  port: too big\nStart the broker. [CONFIG_INVALID]')
  })

  it('names the type of any other error, and takes what is no error at all', () => {
    expect(explainError(new TypeError('x is not a function'))).toBe('TypeError: x is not a function')
    expect(explainError('out of luck')).toBe('out of luck')
    expect(explainError(undefined)).toBe('undefined')
  })
})
