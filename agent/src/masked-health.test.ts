import type { ReceiverId, RoomId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import type { AgentHealth } from './health.ts'
import { withMasked } from './masked-health.ts'

const well = { ok: true, problems: [] } as unknown as AgentHealth

describe('health with masked receivers', () => {
  it('names each with the rooms that have no other, and is not well', () => {
    const masked = [{ receiver: 'rx-7' as ReceiverId, why: 'silent' as const, rooms: ['107' as RoomId] }]
    const health = withMasked(well, masked)
    expect(health).toMatchObject({ ok: false, masked })
    expect(health.problems[0]).toMatchObject({
      code: 'RECEIVER_MASKED',
      message:
        "receiver rx-7 is silent although tags are near and left out; answers for 107 rest on other rooms' receivers",
    })
  })

  it('is what it was where none is masked', () => {
    expect(withMasked(well, [])).toEqual({ ...well, masked: [] })
  })
})
