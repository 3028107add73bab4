import { execFile } from 'node:child_process'
import { appendFileSync, existsSync } from 'node:fs'
import { promisify } from 'node:util'

import { inspectOutbox, outboxPath } from '@biotrakr/agent'
import { applySite } from '@biotrakr/cloud'
import { BioTrakrError } from '@biotrakr/shared'
import pg from 'pg'

import { type BrokerUser, brokerUsers } from './access.ts'
import type { Account } from './account.ts'
import { type Broker, prepareBroker } from './broker.ts'
import type { ChildSpec } from './child.ts'
import { DATABASE, siteOf, writeAgentConfig, writeCentreConfigs } from './config-files.ts'
import type { DataFolder } from './data-folder.ts'
import type { Household } from './household.ts'
import type { Options } from './options.ts'
import { choosePort } from './ports.ts'
import { type Login, type Postgres, preparePostgres } from './postgres.ts'
import { nodeProgram, productRoot } from './programs.ts'
import type { Schedule, Story } from './story.ts'
import { startWardReaders } from './ward-readers.ts'

export interface Product {
  readonly schedule: Schedule
  readonly webUrl: string
  readonly agentApiPort: number
  readonly agentLog: string
  readonly outboxFile: string
  /** Epochs of earlier runs. */
  readonly earlierEpochs: readonly string[]
  readonly pool: pg.Pool
  readonly database: string
  readonly broker: string
}

interface ProductParts {
  readonly options: Options
  readonly folder: DataFolder
  readonly account: Account | undefined
  readonly story: Story
  readonly household: Household
  readonly say: (text: string) => void
}

/** How long the agent may take to hand over what it holds when it is told to end. */
const FLUSH_SECONDS = 20
/** A replay begins this long after its agent is started: what is past when it is up would not be heard. */
const AGENT_START_MS = 2_500

/** Brings everything up, from the database to the gateway, and leaves it running in the household. */
export async function startProduct(parts: ProductParts): Promise<Product> {
  const { folder, story, household } = parts
  const users = brokerUsers(story.gateway, {
    gateway: folder.password(`broker-${story.gateway}`),
    ingester: folder.password('broker-ingester'),
    serve: folder.password('broker-serve'),
  })
  const [postgres, broker] = await Promise.all([bringUpPostgres(parts), bringUpBroker(parts, Object.values(users))])
  const ports = await choosePorts(parts)
  const configs = writeCentreConfigs(folder, { superuser: postgres.superuser, brokerUrl: broker.url, users, ports })
  await migrateDatabase(folder, configs.migrate)
  const pool = openPool({ ...postgres.superuser, database: DATABASE })
  try {
    await setPasswords(pool, folder)
    await applySite(pool, siteOf(story))
    const centre = (name: 'ingest' | 'serve' | 'maintain') =>
      nodeChild(folder, name, { program: 'cloud', words: [name, '--config', configs[name]], port: ports[name] })
    const gatewayParts = { user: users.gateway, brokerUrl: broker.url, apiPort: ports.agent }
    // A gateway that greets before anybody listens has to wait and greet again.
    const gatewayUp = household.start(centre('ingest')).then(() => bringUpGateway(parts, gatewayParts))
    const [gateway] = await Promise.all([gatewayUp, household.start(centre('serve'))])
    // Nobody waits for it: what it does begins with the next minute.
    await household.start(centre('maintain'))
    return {
      ...gateway,
      webUrl: `http://127.0.0.1:${ports.serve}/`,
      agentApiPort: ports.agent,
      pool,
      database: `PostgreSQL ${postgres.binaries.version} (${postgres.binaries.kind})`,
      broker: `${broker.kind} ${broker.version}`,
    }
  } catch (error) {
    await pool.end()
    throw error
  }
}

async function bringUpBroker(
  { folder, account, options, household }: ProductParts,
  users: BrokerUser[],
): Promise<Broker> {
  const broker = await prepareBroker(folder, account, { choice: options.broker, users })
  await household.start(broker.child)
  return broker
}

interface GatewayParts {
  readonly user: BrokerUser
  readonly brokerUrl: string
  readonly apiPort: number
}

type Gateway = Pick<Product, 'schedule' | 'agentLog' | 'outboxFile' | 'earlierEpochs'>

/** Each gateway name has a store of its own, whose books tell this run's epochs from the earlier ones. */
async function bringUpGateway(parts: ProductParts, { user, brokerUrl, apiPort }: GatewayParts): Promise<Gateway> {
  const { folder, story, household, say } = parts
  const dataDir = folder.at('agent', story.gateway)
  const outboxFile = outboxPath(dataDir)
  const earlierEpochs = existsSync(outboxFile) ? inspectOutbox(outboxFile).epochs.map(({ epoch }) => epoch) : []
  const readers = story.things && (await startWardReaders(story.things))
  if (readers) household.keep(readers)
  const schedule = story.schedule(Date.now() + AGENT_START_MS)
  if (schedule.time) say(`playing at ${schedule.time.speed} times real speed`)
  const config = writeAgentConfig(folder, {
    story,
    schedule,
    readers: readers?.sources ?? [],
    brokerUrl,
    user,
    apiPort,
    dataDir,
  })
  const words = ['run', '--config', config, '--flush-seconds', String(FLUSH_SECONDS)]
  const agent = nodeChild(folder, 'agent', { program: 'agent', words, port: apiPort })
  await household.start(agent)
  return { schedule, agentLog: agent.logFile, outboxFile, earlierEpochs }
}

async function bringUpPostgres({ folder, account, options, household }: ProductParts): Promise<Postgres> {
  const postgres = await preparePostgres(folder, account, { choice: options.postgres, cwd: productRoot })
  await household.start(postgres.child)
  await makeDatabase(postgres.superuser)
  return postgres
}

async function makeDatabase(superuser: Login): Promise<void> {
  const client = new pg.Client(superuser)
  await client.connect()
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE])
    if (rowCount === 0) await client.query(`create database ${DATABASE}`)
  } finally {
    await client.end()
  }
}

interface Ports {
  /** The web page's. */
  readonly serve: number
  readonly ingest: number
  readonly maintain: number
  readonly agent: number
}

async function choosePorts({ folder, options, say }: ProductParts): Promise<Ports> {
  const web = await choosePort(options.port)
  if (!web.asWished) say(`port ${options.port} is taken: the web page is on port ${web.port}`)
  const remembered = async (key: string) => {
    const { port } = await choosePort(folder.memory.get(key))
    folder.memory.set(key, port)
    return port
  }
  return {
    serve: web.port,
    ingest: await remembered('ingestPort'),
    maintain: await remembered('maintainPort'),
    agent: await remembered('agentPort'),
  }
}

const run = promisify(execFile)

async function migrateDatabase(folder: DataFolder, config: string): Promise<void> {
  const { args, env } = nodeProgram('cloud', ['migrate', '--config', config])
  const logFile = folder.at('log', 'migrate.log')
  try {
    const { stdout } = await run(process.execPath, [...args], { cwd: productRoot, env: { ...process.env, ...env } })
    appendFileSync(logFile, stdout, { mode: 0o600 })
  } catch (cause) {
    const { stdout = '', stderr = '' } = cause as { stdout?: string; stderr?: string }
    appendFileSync(logFile, stdout + stderr, { mode: 0o600 })
    throw new BioTrakrError(`the database could not be brought up to date: ${stderr.trim().slice(-2_000)}`, {
      code: 'MIGRATION_FAILED',
      next: `Its whole log is in ${logFile}.`,
      cause,
    })
  }
}

function openPool(login: Login): pg.Pool {
  const pool = new pg.Pool({ ...login, max: 3, connectionTimeoutMillis: 5_000, query_timeout: 60_000 })
  // An idle connection breaks when the server restarts; the pool opens a new one by itself.
  pool.on('error', () => undefined)
  return pool
}

/** The migrations make the login roles without a password. */
async function setPasswords(pool: pg.Pool, folder: DataFolder): Promise<void> {
  for (const role of ['bt_ingest', 'bt_api', 'bt_jobs']) {
    const { text } = folder.password(role)
    await pool.query(`alter role ${role} password ${pg.escapeLiteral(text)}`)
  }
}

interface NodeChild {
  readonly program: 'agent' | 'cloud'
  readonly words: readonly string[]
  /** Where it answers /health. */
  readonly port: number
}

function nodeChild(folder: DataFolder, name: string, { program, words, port }: NodeChild): ChildSpec {
  const { args, env } = nodeProgram(program, words)
  return {
    name,
    command: process.execPath,
    args,
    env,
    cwd: productRoot,
    logFile: folder.at('log', `${name}.log`),
    pidFile: folder.at('run', `${name}.pid`),
    ready: () => answersHttp(port),
    readyWithinMs: 60_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: (FLUSH_SECONDS + 5) * 1000,
  }
}

/** Any answer counts: a process that reports trouble, say a database that is just starting, is up nevertheless. */
async function answersHttp(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(2_000) })
  await response.arrayBuffer()
  return true
}
