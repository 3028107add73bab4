import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { nodeCompression, openSqliteOutbox, systemClock } from '@biotrakr/agent'
import { formatEpoch, type GatewayId } from '@biotrakr/shared'

/** Opens a full store in a process of its own, drains a part of it, and says what that took. */
const [dir = '', gateway = '', maxBytes = ''] = process.argv.slice(2)
const BATCHES = 5_000

const startMs = performance.now()
const outbox = openSqliteOutbox({
  path: join(dir, 'outbox.sqlite'),
  keyFile: join(dir, 'outbox.key'),
  gateway: gateway as GatewayId,
  maxBytes: Number(maxBytes),
  compression: nodeCompression,
  clock: systemClock,
})
const readyMs = performance.now() - startMs
let read = 0
for (let n = 0; n < BATCHES; n++) {
  const batch = outbox.peek(undefined, { records: 1_000 })
  if (!batch) break
  read += batch.records.length
  outbox.acknowledge(formatEpoch(batch.epoch), batch.last)
  if (n % 10 === 0) outbox.flush()
}
const readSeconds = (performance.now() - startMs - readyMs) / 1000
outbox.close()
const resident = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024
process.stdout.write(JSON.stringify({ readyMs, residentMegabytes: resident, read, readSeconds }))
