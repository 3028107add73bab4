import type { ReceiverId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { receiversDown } from './receivers-down.ts'

const [a, b, c] = ['a', 'b', 'c'] as [ReceiverId, ReceiverId, ReceiverId]
const source = (state: string, receivers: ReceiverId[], down?: ReceiverId[]) => ({
  receivers,
  status: () => ({ state, ...(down && { down }) }),
})

describe('receivers that are known to hear nothing', () => {
  it('are all those of a source that failed, and the single ones that a source names', () => {
    expect(receiversDown([source('failed', [a, b]), source('up', [c])])).toEqual([a, b])
    expect(receiversDown([source('up', [a, b, c], [b])])).toEqual([b])
  })

  it('are none of a source that begins or has ended, and none that another source still hears with', () => {
    expect(receiversDown([source('starting', [a]), source('finished', [b])])).toEqual([])
    expect(receiversDown([source('failed', [a, b]), source('up', [b])])).toEqual([a])
  })
})
