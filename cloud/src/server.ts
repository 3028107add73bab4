import { BioTrakrError, type Clock, type Compression, type Pulse, type Random, type RoomId } from '@biotrakr/shared'
import type { FastifyInstance } from 'fastify'
import type { Pool } from 'pg'
import type { Logger } from 'pino'

import { type AccountSessions, createAccountSessions } from './account-sessions.ts'
import { assetCatalogues, assetDesk } from './assets/asset-desk.ts'
import { serviceFlows } from './assets/service-flows.ts'
import { createHistoryDesk } from './history/history-desk.ts'
import type { PeopleDesk } from './people.ts'
import type { StoredPosition } from './report/places.ts'
import { createReport, type Overview } from './report/report.ts'
import { createTenantReader, findTenant, type Tenant } from './report/tenant.ts'
import { reportDesk } from './reports/report-desk.ts'
import { type AlarmBook, createAlarmBook } from './serve/alarms.ts'
import { type ApiParts, addApi } from './serve/api.ts'
import { addAssetRoutes } from './serve/asset-routes.ts'
import { type Board, type BoardSource, createBoard } from './serve/board.ts'
import { type Callers, createCallers } from './serve/callers.ts'
import { addFlowRoutes } from './serve/flow-routes.ts'
import { createGuard, type Guard } from './serve/guard.ts'
import { createHealth } from './serve/health.ts'
import { addHistoryRoutes } from './serve/history-routes.ts'
import { createIdentify, type Identify } from './serve/identity.ts'
import { createLiveFeed, type FeedBroker, type FeedListener, type LiveFeed } from './serve/live-feed.ts'
import { createServeMetrics } from './serve/metrics.ts'
import { addPages } from './serve/pages.ts'
import { addPeopleRoutes } from './serve/people-routes.ts'
import { createRefresh } from './serve/refresh.ts'
import { addReleases, type ReleaseShelf } from './serve/releases.ts'
import { addReportRoutes } from './serve/report-routes.ts'
import { type CertificatePair, createServerCertificate } from './serve/server-certificate.ts'
import { addSessionRoutes } from './serve/session-routes.ts'
import { addSiteRoutes } from './serve/site-routes.ts'
import { addSites } from './serve/sites.ts'
import { createStreamHub, type StreamHub } from './serve/stream.ts'
import { createWebServer, listen, type WebServerOptions } from './serve/web-server.ts'
import { probeDatabase } from './server-probe.ts'
import { type SiteShelf, siteToken } from './site-shelf.ts'
import { siteDesk } from './sites/site-desk.ts'
import { slowLog } from './slow-log.ts'
import { createScopedDatabase } from './tenancy/scope.ts'
import { createPool, type DatabaseOptions, databaseError } from './upkeep/connection.ts'
import { refuseUnsafeRole } from './upkeep/privileges.ts'
import { softwareVersion } from './version.ts'

export interface ServerOptions {
  /** Logs in as bt_api. */
  readonly database: DatabaseOptions
  readonly broker: FeedBroker
  /** Slug of the organisation that is served. */
  readonly org: string
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  /** HTTPS with this pair, read again when it is renewed; plain HTTP without. */
  readonly tls?: (() => CertificatePair) | undefined
  /** Bearer token of every request but /health; may be absent where only this machine can connect. */
  readonly token?: string | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly compression: Compression
  /** What gateways work with; nothing without it. */
  readonly sites?: SiteShelf | undefined
  /** What gateways may bring themselves to; nothing without it. */
  readonly releases?: ReleaseShelf | undefined
  /** Patients and staff, which need a master key; nothing of them without it. */
  readonly people?: PeopleDesk | undefined
}

export interface CentreServer {
  /** The address to visit, for example http://127.0.0.1:8080. */
  readonly url: string
  /** What must move as long as it works. */
  readonly pulses: readonly Pulse[]
  stop(): Promise<void>
}

/** Well below bt_api's limit of 40, so that two servers may overlap while one replaces the other. */
const CONNECTIONS = 8
const MAX_WAITING = 100
/** Tags watched live; of more, the first registered. The other requests know all. */
const MAX_TAGS = 100_000
const MIN_TOKEN = 16
/** A reading of all positions ends, well or badly, within the database's own time limits. */
const REFRESH_LIMIT_MS = 900_000

/**
 * One organisation's API, live stream and page.
 * @throws BioTrakrError CONFIG_INVALID, DATABASE_UNREACHABLE, DATABASE_PRIVILEGE or PORT_IN_USE
 */
export async function startServer(options: ServerOptions): Promise<CentreServer> {
  const { database, token, log } = options
  if (token !== undefined && token.length < MIN_TOKEN) throw shortToken()
  const onIdleError = (error: Error) =>
    log.warn({ event: 'serve.connection_lost', reason: error.message }, 'a database connection was lost')
  const pool = createPool({ ...database, max: CONNECTIONS, onIdleError, onSlow: slowLog(log) })
  try {
    const tenant = await tenantOf(pool, options)
    return await serveTenant(pool, tenant, options)
  } catch (error) {
    await pool.end()
    throw error
  }
}

async function tenantOf(pool: Pool, { database, org }: ServerOptions): Promise<Tenant> {
  try {
    await refuseUnsafeRole(pool)
    return await findTenant(pool, org)
  } catch (error) {
    throw databaseError(error, database)
  }
}

async function serveTenant(pool: Pool, tenant: Tenant, options: ServerOptions): Promise<CentreServer> {
  const { clock, log, host, port, tls } = options
  const report = createReport(createTenantReader(pool, tenant))
  const { board, alarms, feed, hub } = createStream(options)
  const rooms = createRoomNames()
  let gateways: ReadonlySet<string> = new Set()
  const refresh = createRefresh({
    clock,
    log,
    task: async () => {
      const overview = await report.overview(MAX_TAGS)
      rooms.replace(overview)
      gateways = new Set(overview.gateways.map(({ name }) => name))
      board.replace(sourceOf(overview))
    },
  })
  const metrics = createServeMetrics({
    feed: feed.status,
    heard: board.counters,
    alarms: alarms.counters,
    refresh: refresh.status,
    viewers: hub.viewers,
    stream: hub.counters,
    tags: board.tags,
    newestAgeS: () => (clock.wallMs() - (board.newestMs() ?? Number.NaN)) / 1_000,
  })
  const health = createHealth({
    clock,
    software: softwareVersion,
    org: tenant.slug,
    probe: () => probeDatabase(pool, report),
    broker: feed.status,
    newestMs: board.newestMs,
    tags: board.tags,
    viewers: hub.viewers,
  })
  const certificate = tls && createServerCertificate({ read: tls, clock, log })
  const front = { options, health, metrics, tls: certificate?.settings }
  const { server, guard, accounts } = createFront(pool, tenant, front)
  addApi(server, { ...forCallers(accounts.callers), board, hub, roomName: rooms.name })
  addAccountRoutes(server, options, accounts)
  addGatewayRoutes(server, options, { isWelcome: (name) => gateways.has(name), mayAsk: guard.isGateway })
  addPages(server, guard.cookieFor)

  await accounts.sessions.prepare()
  await refresh.start()
  feed.start()
  hub.start()
  const renewing = certificate?.watch(server.server)
  const stop = async () => {
    renewing?.cancel()
    refresh.stop()
    await feed.stop()
    hub.stop()
    await server.close()
  }
  const url = await listen(server, host, port).catch(async (error: unknown) => {
    await stop()
    throw error
  })
  log.info({ event: 'serve.started', url, org: tenant.slug }, 'serving the API and the live page')
  return {
    url,
    pulses: [{ name: 'refresh', mark: () => refresh.status().attempts, limitMs: REFRESH_LIMIT_MS }],
    stop: async () => {
      await stop()
      await pool.end()
      log.info({ event: 'serve.stopped' }, 'server stopped')
    },
  }
}

interface FrontParts extends Pick<WebServerOptions, 'health' | 'metrics' | 'tls'> {
  readonly options: ServerOptions
}

interface Front {
  readonly server: FastifyInstance
  readonly guard: Guard
  readonly accounts: Accounts
}

/** The server, who may pass, and who they are. */
function createFront(pool: Pool, tenant: Tenant, { options, ...parts }: FrontParts): Front {
  const { host, token, tls, clock, log } = options
  const guard = createGuard({ host, token, gatewayToken: siteToken, isTls: tls !== undefined })
  const accounts = createAccounts(pool, tenant, { clock, isService: guard.isAllowed })
  const isBusy = () => pool.waitingCount > MAX_WAITING
  const server = createWebServer({ guard, identify: accounts.identify, isBusy, log, ...parts })
  return { server, guard, accounts }
}

interface Accounts {
  readonly sessions: AccountSessions
  readonly identify: Identify
  readonly callers: Callers
}

interface AccountParts {
  readonly clock: Clock
  readonly isService: Guard['isAllowed']
}

/** Who may sign in, and what a request may then reach. */
function createAccounts(pool: Pool, { id: orgId }: Tenant, { clock, isService }: AccountParts): Accounts {
  const database = createScopedDatabase(pool)
  const sessions = createAccountSessions(database, { orgId, clock })
  const identify = createIdentify({ isService, find: sessions.find })
  return { sessions, identify, callers: createCallers(database, orgId, { identify, clock }) }
}

/** What a request reads, cut down to what its sender may see. */
function forCallers(callers: Callers): Pick<ApiParts, 'callers' | 'reportFor'> {
  return {
    callers,
    reportFor: (request, permission) => createReport({ read: (work) => callers.read(request, permission, work) }),
  }
}

/** What is asked on behalf of an account: signing in, and everything that rights decide about. */
function addAccountRoutes(server: FastifyInstance, { clock, tls, people }: ServerOptions, accounts: Accounts): void {
  const { sessions, identify, callers } = accounts
  addSessionRoutes(server, { sessions, identify, clock, isTls: tls !== undefined })
  addAssetRoutes(server, { callers, desk: assetDesk, catalogues: assetCatalogues })
  if (people) addPeopleRoutes(server, { callers, desk: people })
  addSiteRoutes(server, { callers, desk: siteDesk })
  addFlowRoutes(server, { callers, flows: serviceFlows })
  addHistoryRoutes(server, { callers, desk: createHistoryDesk(clock) })
  addReportRoutes(server, { callers, desk: reportDesk })
}

interface GatewayRules {
  readonly isWelcome: (gateway: string) => boolean
  readonly mayAsk: Guard['isGateway']
}

/** What gateways fetch: the site they work with, and the release they bring themselves to. */
function addGatewayRoutes(server: FastifyInstance, { sites, releases }: ServerOptions, rules: GatewayRules): void {
  addSites(server, { find: (name) => sites?.find(name), ...rules })
  addReleases(server, { shelf: releases ?? { list: () => [] }, ...rules })
}

interface Stream {
  readonly board: Board
  readonly alarms: AlarmBook
  readonly feed: LiveFeed
  readonly hub: StreamHub
}

/** From the live lane to the viewers: places by the board, alarms past it and at once. */
function createStream(options: ServerOptions): Stream {
  const { clock, random } = options
  const board = createBoard()
  const alarms = createAlarmBook(board)
  const hear: FeedListener['hear'] = (gateway, { fixes, events }, nowMs) => {
    board.hear(gateway, fixes, nowMs)
    if (alarms.hear(gateway, events, nowMs)) hub.alarm()
  }
  const feed = createLiveFeed({ knows: board.knows, hear }, options)
  const isLive = () => feed.status().state === 'up'
  const hub = createStreamHub({ board, alarms, clock, epoch: epochOf(clock, random), isLive })
  return { board, alarms, feed, hub }
}

function epochOf(clock: Clock, random: Random): string {
  return `${clock.wallMs().toString(36)}${Math.floor(random() * 2 ** 32).toString(36)}`
}

interface RoomNames {
  replace(overview: Overview): void
  name(facility: string, room: RoomId): string
}

function createRoomNames(): RoomNames {
  const keyOf = (facility: string, room: string) => JSON.stringify([facility, room])
  let names = new Map<string, string>()
  return {
    replace: ({ rooms }) => {
      names = new Map(rooms.map(({ facility, code, name }) => [keyOf(facility, code), name]))
    },
    name: (facility, room) => names.get(keyOf(facility, room)) ?? room,
  }
}

function sourceOf({ gateways, rooms, tags, positions }: Overview): BoardSource {
  return { gateways, rooms, tags, places: positions.map(placeOf) }
}

function placeOf(position: StoredPosition): BoardSource['places'][number] {
  return { ...position, room: position.room?.code ?? null, lastRoom: position.lastRoom?.code ?? null }
}

function shortToken(): BioTrakrError {
  return new BioTrakrError(`The token of this service is shorter than ${MIN_TOKEN} characters`, {
    code: 'CONFIG_INVALID',
    next: 'Write a long random one into the file named by serve.tokenFile, for example from `openssl rand -hex 32`.',
  })
}
