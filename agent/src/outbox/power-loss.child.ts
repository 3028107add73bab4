import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'

import { optionsIn } from './outbox.fixtures.ts'
import { lifeOf, type Marker } from './power-lives.ts'
import { Sqlite } from './sqlite-driver.ts'
import { openSqliteOutbox } from './sqlite-outbox.ts'

/** Lives the life of an outbox under power-trace.so: <folder> <life> [<synchronous>]. */
const [folder = '', name = '', synchronous = 'FULL'] = process.argv.slice(2)

// The proof that the harness finds loss: the same product code with less care for the disk.
const { pragma } = Sqlite.prototype
Sqlite.prototype.pragma = function (source, options) {
  return pragma.call(this, source === 'synchronous = FULL' ? `synchronous = ${synchronous}` : source, options)
}

const life = lifeOf(name)
const marks = openSync(join(folder, 'marks'), 'a')
const marker: Marker = { committed: {}, acked: {}, evicted: 0 }
let evictedBefore = 0
let turn = 0

for (let opening = 0; opening < life.openings; opening++) {
  const outbox = openSqliteOutbox(optionsIn(folder))
  const { epoch } = outbox.status()
  let appended = 0
  for (let round = 0; round < life.rounds; round++) {
    turn = (turn * 7919 + 104_729) % 1_000_003
    const count = 1 + (turn % life.largest)
    for (let i = 0; i < count; i++) outbox.append(life.recordAt(++appended))
    outbox.flush()
    if (outbox.status().open === 0) marker.committed[epoch] = appended
    marker.evicted = evictedBefore + outbox.status().evicted
    writeSync(marks, JSON.stringify(marker))
    if (turn % life.ackEvery === 0) {
      const acked = Math.floor((appended * (turn % 100)) / 100)
      marker.acked[epoch] = Math.max(acked, marker.acked[epoch] ?? 0)
      outbox.acknowledge(epoch, acked)
    }
  }
  evictedBefore += outbox.status().evicted
  outbox.close()
  writeSync(marks, JSON.stringify(marker))
}
