import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'

import { pino } from 'pino'

import { brokerAccess, databaseAccess } from '../access.ts'
import { readConfig } from '../config.ts'
import { startIngestProcess } from '../ingest-process.ts'
import { nodeCompression } from '../node-compression.ts'
import { createService } from '../service.ts'
import { systemClock } from '../system-clock.ts'
import { askedToStop } from './stop.ts'

interface IngestOptions {
  readonly config: string
  readonly stopOnStdinEnd: boolean
}

/** `biotrakr-cloud ingest`: until told to stop. */
export async function runIngest({ config: file, stopOnStdinEnd }: IngestOptions): Promise<void> {
  const config = readConfig(file)
  const log = pino({ name: 'biotrakr-ingest', level: config.log.level })
  const ingest = await startIngestProcess({
    database: databaseAccess(config, 'biotrakr-ingest'),
    broker: brokerAccess(config),
    instance: `ingester-${hostname().slice(0, 40)}-${randomBytes(4).toString('hex')}`,
    host: config.ingest.host,
    port: config.ingest.port,
    clock: systemClock,
    random: Math.random,
    compression: nodeCompression,
    log,
  })
  const service = createService({ clock: systemClock, log, pulses: ingest.pulses, env: process.env, pid: process.pid })
  service.started()
  await askedToStop(stopOnStdinEnd)
  service.stopping()
  await ingest.stop()
}
