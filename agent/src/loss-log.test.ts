import { expect, it } from 'vitest'

import { createManualClock } from './acquire/manual-clock.ts'
import { createLossLog } from './loss-log.ts'

it('the loss log speaks at once, then once a minute with everything counted', () => {
  const clock = createManualClock(0)
  const said: number[] = []
  const lost = createLossLog(clock, { error: ({ records }: { records: number }) => said.push(records) } as never)
  for (let i = 0; i < 10; i++)
    lost({ epoch: '1-0123456789abcdef', first: i * 200 + 1, last: (i + 1) * 200, reason: 'evicted' })
  expect(said).toEqual([200])
  clock.advance(60_000)
  lost({ epoch: '1-0123456789abcdef', first: 2001, last: 2001, reason: 'evicted' })
  expect(said).toEqual([200, 1801])
})
