import { readSync, writeSync } from 'node:fs'

import { compression, fixAt, optionsIn } from './outbox.fixtures.ts'
import { openSqliteOutbox } from './sqlite-outbox.ts'

/**
 * An agent's outbox to be killed: it does what its input says, a line for each step, and answers when the step is done.
 * Record n of every epoch is `fixAt(n)`, so that whoever looks later knows what must be there.
 */
const [folder = '', mode = ''] = process.argv.slice(2)

let isDoomed = false
const outbox = openSqliteOutbox({
  ...optionsIn(folder),
  compression: {
    ...compression,
    // Encoding happens inside of the storing transaction: dying here is dying between its first and its last step.
    deflate(bytes) {
      if (isDoomed) process.kill(process.pid, 'SIGKILL')
      return compression.deflate(bytes)
    },
  },
})
const { epoch } = outbox.status()
let appended = 0

function answer(): void {
  const held = outbox.held().find((run) => run.epoch === epoch)
  writeSync(1, `${JSON.stringify({ epoch, committed: held?.last ?? 0 })}\n`)
}

const steps: Readonly<Record<string, (n: number) => void>> = {
  append(n) {
    for (let i = 0; i < n; i++) outbox.append(fixAt(++appended))
  },
  flush: () => outbox.flush(),
  ack: (n) => outbox.acknowledge(epoch, n),
  rewind: (n) => outbox.rewind(epoch, n),
  peek: (n) => void outbox.peek(undefined, { records: n }),
  doom() {
    isDoomed = true
  },
}

function obey(): void {
  const buffer = Buffer.alloc(256)
  for (;;) {
    const length = readSync(0, buffer)
    if (length === 0) return
    for (const line of buffer.toString('utf8', 0, length).trim().split('\n')) {
      const [step = '', count = '0'] = line.split(' ')
      steps[step]?.(Number(count))
      answer()
    }
  }
}

/** Group sizes of 1 to 450, acknowledging behind, for as long as it is let live. */
function runWild(): void {
  for (let round = 0; ; round++) {
    steps['append']?.(1 + ((round * 7919) % 450))
    outbox.flush()
    answer()
    if (round % 3 === 0) outbox.acknowledge(epoch, Math.floor(appended / 2))
  }
}

answer()
if (mode === 'wild') runWild()
else obey()
