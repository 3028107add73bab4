import { describe, expect, it } from 'vitest'

import { StopRequest } from './stop-request.ts'

describe('the wish to end', () => {
  it('takes one Ctrl-C that arrives twice for one, and a later one for impatience', () => {
    let forced = 0
    const request = new StopRequest(() => {
      forced += 1
    })
    request.bySignal(1000)
    expect(request.signal.aborted).toBe(true)
    request.bySignal(1002)
    expect(forced).toBe(0)
    request.bySignal(2500)
    expect(forced).toBe(1)
  })
})
