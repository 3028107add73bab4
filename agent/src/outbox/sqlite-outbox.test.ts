import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { optionsIn, START_MS } from './outbox.fixtures.ts'
import { outboxLaws, type Subject } from './outbox.laws.ts'
import type { LostRun } from './outbox.ts'
import { openSqliteOutbox } from './sqlite-outbox.ts'

const GRACE_MS = 1000

function open(): Subject {
  const folder = mkdtempSync(join(tmpdir(), 'outbox-'))
  const lost: LostRun[] = []
  const clock = { nowMs: START_MS }
  const outbox = openSqliteOutbox({
    ...optionsIn(folder),
    clock: { wallMs: () => clock.nowMs },
    graceMs: GRACE_MS,
    onLost: (run) => lost.push(run),
  })
  const dispose = (): void => {
    outbox.close()
    rmSync(folder, { recursive: true })
  }
  return { outbox, lost, clock, dispose }
}

outboxLaws({ name: 'SQLite', open, graceMs: GRACE_MS, tooManyGroups: 120 })
