import { createMemoryOutbox } from './memory-outbox.ts'
import { GATEWAY, START_MS } from './outbox.fixtures.ts'
import { outboxLaws, type Subject } from './outbox.laws.ts'
import type { LostRun } from './outbox.ts'

const GRACE_MS = 1000

function open(): Subject {
  const lost: LostRun[] = []
  const clock = { nowMs: START_MS }
  const outbox = createMemoryOutbox({
    gateway: GATEWAY,
    clock: { wallMs: () => clock.nowMs },
    maxRecords: 2000,
    graceMs: GRACE_MS,
    onLost: (run) => lost.push(run),
  })
  return { outbox, lost, clock, dispose: () => outbox.close() }
}

outboxLaws({ name: 'memory', open, graceMs: GRACE_MS, tooManyGroups: 25 })
