import type { Pulse } from '@biotrakr/shared'

import { createIngester, type IngesterOptions } from './ingester.ts'
import { slowLog } from './slow-log.ts'
import { createPool, type DatabaseOptions, databaseError } from './upkeep/connection.ts'
import { refuseUnsafeRole } from './upkeep/privileges.ts'
import { startProbeServer } from './upkeep/probe-server.ts'

interface IngestProcessOptions extends Omit<IngesterOptions, 'pool'> {
  readonly database: DatabaseOptions
  /** Address and port for /health and /metrics: 127.0.0.1 unless told; 0 = any free port. */
  readonly host?: string
  readonly port: number
}

interface IngestProcess {
  /** What must move as long as it works. */
  readonly pulses: readonly Pulse[]
  stop(): Promise<void>
}

/** Recording, hellos and evidence, leases, and records that have got their time: each works on one connection. */
const CONNECTIONS = 4

/**
 * One ingester with its connections and its probe server.
 * @throws BioTrakrError DATABASE_UNREACHABLE, DATABASE_PRIVILEGE or PORT_IN_USE
 */
export async function startIngestProcess(options: IngestProcessOptions): Promise<IngestProcess> {
  const { database, host, port, log } = options
  const onIdleError = (error: Error) =>
    log.warn({ event: 'ingest.connection_lost', reason: error.message }, 'a database connection was lost')
  const pool = createPool({ ...database, max: CONNECTIONS, onIdleError, onSlow: slowLog(log) })
  try {
    await refuseUnsafeRole(pool)
  } catch (error) {
    await pool.end()
    throw databaseError(error, database)
  }
  const ingester = createIngester({ ...options, pool })
  const health = async () => {
    const status = ingester.status()
    return { ok: status.broker.state === 'up' && status.database.breaker === 'closed', ...status }
  }
  const probe = await startProbeServer({
    ...(host && { host }),
    port,
    health,
    metrics: () => ingester.metrics.metrics(),
  })
  ingester.start()
  log.info({ event: 'ingest.started', probe: probe.server.address() }, 'ingester started')
  return {
    pulses: ingester.pulses,
    async stop() {
      await ingester.stop()
      await probe.close()
      await pool.end()
      log.info({ event: 'ingest.stopped' }, 'ingester stopped')
    },
  }
}
