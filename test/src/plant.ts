import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { applySite, asOwner, migrate, type SiteInput } from '@biotrakr/cloud'
import {
  type BrokerChoice,
  brokerUsers,
  type ChildEvent,
  type ChildSpec,
  choosePort,
  DATABASE,
  Household,
  nodeProgram,
  openDataFolder,
  prepareBroker,
  preparePostgres,
  productRoot,
  serverAccount,
  writeCentreConfigs,
} from '@biotrakr/embedded'
import type { GatewayId, SiteMap, TagId } from '@biotrakr/shared'
import pg from 'pg'

interface PlantWish {
  readonly gateway: GatewayId
  readonly siteMap: SiteMap
  readonly tags: readonly TagId[]
  readonly broker?: BrokerChoice
  /** Lines to the broker, to be used in place of its own address. */
  readonly lines?: (brokerUrl: string) => Promise<{ readonly gateway: string; readonly centre: string }>
  /** 1 unless told; they are called ingest, ingest-2 and so on. */
  readonly ingesters?: number
  readonly onEvent?: (event: ChildEvent) => void
}

interface AgentConfigParts {
  readonly siteMap: SiteMap
  readonly tags: readonly TagId[]
  /** Further sections of the configuration, `sources` and `api` at least. */
  readonly settings: object
}

/** A centre of real parts in a folder of its own: PostgreSQL, a broker, the ingester. Gateways are the caller's. */
export interface Plant {
  readonly folder: ReturnType<typeof openDataFolder>
  readonly household: Household
  /** Superuser of the database, for counting. */
  readonly pool: pg.Pool
  readonly brokerUrl: string
  readonly brokerPassword: { readonly file: string; readonly text: string }
  /** Writes an agent's configuration for this plant. @returns its path */
  agentConfig(parts: AgentConfigParts): string
  /** Starts a `biotrakr` or `biotrakr-cloud` process under supervision; it serves once `port` answers /health. */
  startProgram(name: string, program: Program): Promise<void>
  /** Starts `biotrakr-cloud serve`. @returns its address */
  serve(): Promise<string>
  /** Sends a signal to a supervised process. @returns false when it is not running just now */
  signal(name: string, signal: NodeJS.Signals): boolean
  /** Settles when every process serves at once. */
  allReady(): Promise<void>
  stop(): Promise<void>
}

export async function startPlant(wish: PlantWish): Promise<Plant> {
  const { gateway, broker: brokerChoice = 'auto', onEvent = () => undefined } = wish
  const account = serverAccount()
  const path = mkdtempSync(join(tmpdir(), 'biotrakr-plant-'))
  const folder = openDataFolder(path, account)
  // The tests kill these processes on purpose; on a slow machine one may die several times before it has stayed.
  const household = new Household({ random: Math.random, onEvent, maxFailures: Number.POSITIVE_INFINITY })
  const specs = new Map<string, ChildSpec>()
  const start = async (spec: ChildSpec) => {
    specs.set(spec.name, spec)
    await household.start(spec)
  }
  const passwords = {
    gateway: folder.password(`broker-${gateway}`),
    ingester: folder.password('broker-ingester'),
    serve: folder.password('broker-serve'),
  }
  const users = brokerUsers(gateway, passwords)
  const postgres = await preparePostgres(folder, account, { choice: 'auto', cwd: productRoot })
  await start(postgres.child)
  const broker = await prepareBroker(folder, account, { choice: brokerChoice, users: Object.values(users) })
  await start(broker.child)
  const pool = await makeDatabase(postgres.superuser, { folder, wish })
  const lines = (await wish.lines?.(broker.url)) ?? { gateway: broker.url, centre: broker.url }
  const { port: webPort } = await choosePort(undefined)
  const writeConfigs = (ingest: number) =>
    writeCentreConfigs(folder, {
      superuser: postgres.superuser,
      brokerUrl: lines.centre,
      users,
      ports: { ingest, serve: webPort, maintain: 0 },
    })
  const plant: Plant = {
    folder,
    household,
    pool,
    brokerUrl: broker.url,
    brokerPassword: passwords.gateway,
    agentConfig: ({ siteMap, tags, settings }) => {
      const passwordFile = passwords.gateway.file
      const map = folder.write('config/site-map.yaml', JSON.stringify(siteMap))
      const access = { url: lines.gateway, username: gateway, passwordFile }
      const config = { gateway, dataDir: folder.at('agent'), siteMap: map, tags, broker: access, ...settings }
      return folder.write('config/agent.yaml', JSON.stringify(config))
    },
    startProgram: (name, program) => start(programSpec(folder, name, program)),
    async serve() {
      const { serve } = writeConfigs(webPort)
      await plant.startProgram('serve', { bundle: 'cloud', words: ['serve', '--config', serve], port: webPort })
      return `http://127.0.0.1:${webPort}`
    },
    signal: (name, signal) => signalChild(specs.get(name), signal),
    async allReady() {
      const ready = (spec: ChildSpec) => spec.ready().catch(() => false)
      while (!(await Promise.all([...specs.values()].map(ready))).every(Boolean)) await sleep(100)
    },
    async stop() {
      await pool.end()
      await household.stopAll()
      rmSync(path, { recursive: true, force: true })
      if (folder.serverPath !== path) rmSync(folder.serverPath, { recursive: true, force: true })
    },
  }
  for (let n = 1; n <= (wish.ingesters ?? 1); n++) {
    const { port } = await choosePort(undefined)
    const name = n === 1 ? 'ingest' : `ingest-${n}`
    const config = folder.write(`config/${name}-own.yaml`, readFileSync(writeConfigs(port).ingest, 'utf8'))
    await plant.startProgram(name, { bundle: 'cloud', words: ['ingest', '--config', config], port })
  }
  return plant
}

type Superuser = Awaited<ReturnType<typeof preparePostgres>>['superuser']

async function makeDatabase(
  superuser: Superuser,
  { folder, wish }: { readonly folder: Plant['folder']; readonly wish: PlantWish },
): Promise<pg.Pool> {
  await asOwner(superuser, (client) => client.query(`create database ${DATABASE}`))
  await asOwner({ ...superuser, database: DATABASE }, async (client) => {
    await migrate(client)
    for (const role of ['bt_ingest', 'bt_api']) {
      await client.query(`alter role ${role} password ${pg.escapeLiteral(folder.password(role).text)}`)
    }
  })
  const pool = new pg.Pool({ ...superuser, database: DATABASE, max: 2 })
  // The server is killed on purpose here; the pool opens a new connection by itself.
  pool.on('error', () => undefined)
  await applySite(pool, siteOf(wish))
  return pool
}

function siteOf({ gateway, siteMap, tags }: PlantWish): SiteInput {
  return {
    org: { slug: 'embedded', name: 'Plant' },
    facility: { code: 'plant', name: 'Plant', timeZone: 'UTC' },
    rooms: siteMap.rooms.map(({ id }) => ({ code: id })),
    gateways: [{ name: gateway }],
    tags: tags.map((identity) => ({ identity })),
  }
}

interface Program {
  readonly bundle: 'agent' | 'cloud'
  readonly words: readonly string[]
  readonly port: number
  /** Options of node itself. */
  readonly flags?: readonly string[]
}

function programSpec(folder: Plant['folder'], name: string, { bundle, words, port, flags = [] }: Program): ChildSpec {
  const { args, env } = nodeProgram(bundle, words)
  return {
    name,
    command: process.execPath,
    args: [...flags, ...args],
    env,
    cwd: productRoot,
    logFile: folder.at('log', `${name}.log`),
    pidFile: folder.at('run', `${name}.pid`),
    ready: async () =>
      (await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(2_000) })).status > 0,
    readyWithinMs: 60_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 30_000,
  }
}

function signalChild(spec: ChildSpec | undefined, signal: NodeJS.Signals): boolean {
  if (!spec) return false
  try {
    return process.kill(Number(readFileSync(spec.pidFile, 'utf8')), signal)
  } catch {
    return false
  }
}
