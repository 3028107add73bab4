import { readFileSync } from 'node:fs'

import { BioTrakrError, type Clock, type GatewayId } from '@biotrakr/shared'
import mqtt from 'mqtt'
import type { Pool } from 'pg'
import type { Logger } from 'pino'

import { enrol, forgetOld, renew, revokedCertificates } from './record/gateway-identity.ts'
import { createEnrolServer, type EnrolmentDesk } from './serve/enrol-server.ts'
import { createServerCertificate } from './serve/server-certificate.ts'
import { listen } from './serve/web-server.ts'
import type { Authority, Validity } from './upkeep/authority.ts'
import { readAuthority, replaceFile } from './upkeep/authority-files.ts'
import { createPool, type DatabaseOptions, databaseError } from './upkeep/connection.ts'
import { refuseUnsafeRole } from './upkeep/privileges.ts'
import { startProbeServer } from './upkeep/probe-server.ts'
import { createRevocationKeeper, type RevocationStatus } from './upkeep/revocation-keeper.ts'

export interface EnrolmentOptions {
  /** Logs in as bt_ca. */
  readonly database: DatabaseOptions
  /** Folder of `biotrakr-cloud ca init`. */
  readonly authorityFolder: string
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  /** Certificate and key of this server, files. */
  readonly certFile: string
  readonly keyFile: string
  /** Where the broker reads the revocation list. */
  readonly revocationListFile: string
  /** Of the broker, for having it read the list; without one something else has to watch the file. */
  readonly brokerPidFile?: string | undefined
  /** Where gateways connect to the broker. */
  readonly brokerUrl: string
  /** Port on 127.0.0.1 for /health; 0 = any free one. */
  readonly probePort: number
  readonly clock: Clock
  readonly log: Logger
}

export interface EnrolmentService {
  readonly url: string
  stop(): Promise<void>
}

const CONNECTIONS = 4
const CERTIFICATE_MS = 30 * 86_400_000
/** The clock of a box may be somewhat behind. */
const BACKDATE_MS = 3_600_000
const STAND_IN_MS = 300_000
const FORGET_MS = 3_600_000

/**
 * Gives out, renews and revokes the certificates of gateways. It alone holds the keys of the authorities.
 * @throws BioTrakrError AUTHORITY_INVALID, DATABASE_UNREACHABLE, DATABASE_PRIVILEGE, CONFIG_UNREADABLE or PORT_IN_USE
 */
export async function startEnrolment(options: EnrolmentOptions): Promise<EnrolmentService> {
  const { database, log } = options
  const authority = await readAuthority(options.authorityFolder)
  const onIdleError = (error: Error) =>
    log.warn({ event: 'enrol.connection_lost', reason: error.message }, 'a database connection was lost')
  const pool = createPool({ ...database, max: CONNECTIONS, onIdleError })
  try {
    await refuseUnsafeRole(pool)
    return await startServices(pool, authority, options)
  } catch (error) {
    await pool.end()
    throw databaseErrorOr(error, database)
  }
}

async function startServices(pool: Pool, authority: Authority, options: EnrolmentOptions): Promise<EnrolmentService> {
  const { clock, log, host, port, probePort } = options
  const keeper = createRevocationKeeper({
    clock,
    log,
    revoked: () => revokedCertificates(pool),
    sign: authority.revocationList,
    deliver: (list) => deliver(list, options),
    evict: (gateway) => evict(gateway, authority, options),
  })
  const shown = serverCertificate(authority, options)
  const server = createEnrolServer({ desk: createDesk(pool, authority, clock), tls: shown.settings, clock, log })
  const probe = await startProbeServer({
    port: probePort,
    health: async () => healthOf(keeper.status(), clock.wallMs()),
    metrics: async () => metricsOf(keeper.status()),
  })
  await keeper.start()
  const forgetting = clock.every(FORGET_MS, () => {
    void forgetOld(pool).catch((error: unknown) => {
      log.warn({ event: 'enrol.forget', error: String(error) }, 'old codes and certificates could not be removed')
    })
  })
  const renewing = shown.watch(server.server)
  const stop = async () => {
    forgetting.cancel()
    renewing.cancel()
    await keeper.stop()
    await server.close()
    await probe.close()
  }
  const url = await listen(server, host, port).catch(async (error: unknown) => {
    await stop()
    throw error
  })
  log.info({ event: 'enrol.started', url }, 'giving out certificates')
  return {
    url,
    stop: async () => {
      await stop()
      await pool.end()
      log.info({ event: 'enrol.stopped' }, 'enrolment stopped')
    },
  }
}

function serverCertificate(authority: Authority, { certFile, keyFile, clock, log }: EnrolmentOptions) {
  return createServerCertificate({
    read: () => ({ certificate: `${readText(certFile)}\n${authority.centreCa}`, key: readText(keyFile) }),
    clientCa: authority.gatewayCa,
    clock,
    log,
  })
}

/** Decides with the database's and the authority's words. */
function createDesk(pool: Pool, authority: Authority, clock: Clock): EnrolmentDesk {
  const validity = (): Validity => {
    const nowMs = clock.wallMs()
    return { fromMs: nowMs - BACKDATE_MS, untilMs: nowMs + CERTIFICATE_MS }
  }
  return {
    ca: authority.centreCa,
    enrol: async (gateway, secret, request) => {
      const sign = () => authority.gateway(gateway, request, validity())
      const answer = await enrol(pool, { gateway, secret }, sign, clock.wallMs())
      return answer.ok ? { ok: true, gateway, ...answer.certificate } : { ...answer, gateway }
    },
    renew: async (shown, request, store) => {
      const present = authority.recognise(shown)
      const nowMs = clock.wallMs()
      if (!present) return { ok: false, code: 'CERTIFICATE_UNKNOWN', gateway: undefined }
      const { gateway } = present
      const sign = () => authority.gateway(gateway, request, validity())
      const answer = await renew(pool, { ...present, store, nowMs }, sign)
      return answer.ok ? { ok: true, gateway, ...answer.certificate } : { ...answer, gateway }
    },
  }
}

function deliver(list: string, { revocationListFile, brokerPidFile, log }: EnrolmentOptions): void {
  replaceFile(revocationListFile, list, 0o644)
  if (brokerPidFile === undefined) return
  try {
    process.kill(Number(readFileSync(brokerPidFile, 'utf8').trim()), 'SIGHUP')
  } catch (error) {
    // It reads the list when it starts.
    log.warn({ event: 'revocation.broker', error: String(error) }, 'the broker could not be told of the new list')
  }
}

/**
 * Mosquitto asks for the list only when somebody connects, and ends no session because of it. Whoever connects under the
 * same name does end it: so this service takes the place of the revoked gateway for a moment.
 */
async function evict(gateway: GatewayId, authority: Authority, { brokerUrl, clock }: EnrolmentOptions): Promise<void> {
  const nowMs = clock.wallMs()
  const pair = await authority.standIn(gateway, { fromMs: nowMs - BACKDATE_MS, untilMs: nowMs + STAND_IN_MS })
  const client = await mqtt.connectAsync(
    brokerUrl,
    {
      protocolVersion: 5,
      clientId: gateway,
      clean: true,
      reconnectPeriod: 0,
      connectTimeout: 5_000,
      minVersion: 'TLSv1.3',
      ca: authority.centreCa,
      cert: pair.certificate,
      key: pair.key,
    } as mqtt.IClientOptions,
    false,
  )
  client.on('error', () => undefined)
  await client.endAsync()
}

/** Half of a list's life is left when something has been wrong for days. */
const LIST_MARGIN_MS = 3 * 86_400_000

function healthOf(status: RevocationStatus, nowMs: number) {
  const ok = status.untilMs !== undefined && status.untilMs - nowMs > LIST_MARGIN_MS && status.lastError === undefined
  return { ok, revocationList: status }
}

function metricsOf({ revoked, untilMs }: RevocationStatus): string {
  const lines = [
    '# HELP biotrakr_revoked_certificates Certificates on the revocation list.',
    '# TYPE biotrakr_revoked_certificates gauge',
    `biotrakr_revoked_certificates ${revoked}`,
    '# HELP biotrakr_revocation_list_until_seconds Unix time at which every gateway is refused unless a new list comes.',
    '# TYPE biotrakr_revocation_list_until_seconds gauge',
    `biotrakr_revocation_list_until_seconds ${Math.floor((untilMs ?? 0) / 1_000)}`,
  ]
  return `${lines.join('\n')}\n`
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const next = 'Check the path and who may read it; `biotrakr-cloud ca server` makes a pair.'
    throw new BioTrakrError(`cannot read ${file}`, { code: 'CONFIG_UNREADABLE', next, cause })
  }
}

function databaseErrorOr(error: unknown, database: DatabaseOptions): unknown {
  return error instanceof Error && !(error instanceof BioTrakrError) ? databaseError(error, database) : error
}
