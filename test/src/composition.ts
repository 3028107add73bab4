import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type pg from 'pg'

import {
  builtImage,
  createDatabase,
  type Document,
  firstDatabase,
  isBuilt,
  mountsOf,
  POSTGRES,
  prepareVolumes,
  readComposition,
} from './composition-parts.ts'
import {
  addressOf,
  type ContainerSpec,
  execInside,
  type Network,
  runContainer,
  startContainer,
  userOf,
} from './namespaces.ts'

/** As its image has it; and every statement is kept and told, so that a secret in one would be found. */
const WATCHED = ['-c', 'shared_preload_libraries=timescaledb,pg_stat_statements', '-c', 'log_min_duration_statement=0']

/**
 * Stands for `docker compose` where there is no Docker: the services of docker-compose.yml with their own words, mounts,
 * users, networks and health checks, in namespaces of Linux. What images bring is in one root file system: Node,
 * PostgreSQL 17 with TimescaleDB, mosquitto. Limits of memory and start-up of the database image are not played.
 */
export interface Composition {
  /** `docker compose up`: settles when the broker and both ingesters say that they are well. */
  up(): Promise<void>
  /** `docker compose run --rm SERVICE WORDS`. @returns its standard output @throws with its log */
  run(service: string, words: readonly string[]): Promise<string>
  /** Settles when the health check of a service passes. */
  healthy(service: string, withinMs?: number): Promise<void>
  /** Superuser of the database. */
  database(): pg.PoolConfig
  /** Log of a service. */
  log(service: string): string
  /** Process of each service that runs. */
  processes(): ReadonlyMap<string, number>
  down(): Promise<void>
}

interface Wish {
  /** Folder with docker-compose.yml, .env and what `biotrakr-cloud init` wrote. */
  readonly folder: string
  /** Root file system of the images. */
  readonly image: string
  /** Of the machine that the containers run on. */
  readonly network: Network
}

export function createComposition({ folder, image, network }: Wish): Composition {
  const read = (): Document => readComposition(folder)
  const numberOf = (name: string) => 10 + Object.keys(read().services).indexOf(name)
  const volumes = join(folder, 'volumes')
  const logOf = (name: string) => join(volumes, `${name}.log`)
  const running = new Map<string, ChildProcess>()
  const others: ChildProcess[] = []
  const networks = new Map<string, Network>()
  let isDown = false

  const specOf = (name: string, words?: readonly string[]): ContainerSpec => {
    const document = read()
    const service = document.services[name]
    if (!service) throw new Error(`there is no service ${name}`)
    const isOurs = isBuilt(service)
    const given = words ?? service.command ?? []
    return {
      root: image,
      mounts: [...mountsOf(service, { document, folder, volumes }), ...(isOurs ? builtImage().mounts : [])],
      user: service.user ?? userOf(image, 'postgres'),
      words: isOurs ? [...builtImage().entrypoint, ...given] : given,
      env: isOurs ? { NODE_ENV: 'production' } : {},
      readOnly: service.read_only ?? false,
      files: service.ulimits?.nofile,
    }
  }
  const networkOf = async (name: string): Promise<Network> => {
    const present = networks.get(name)
    if (present) return present
    const made = await network.join(numberOf(name))
    networks.set(name, made)
    return made
  }
  const start = async (name: string, spec: ContainerSpec) => {
    const within = await networkOf(name)
    for (const port of read().services[name]?.ports ?? []) publish(name, port)
    // `restart: unless-stopped`: serve begins once its organisation is there.
    const again = () => {
      if (isDown) return
      const child = startContainer(spec, { network: within, log: logOf(name) })
      running.set(name, child)
      child.once('exit', () => void sleep(1_000).then(again))
    }
    again()
  }
  const publish = (name: string, port: string) => {
    const parts = port.split(':')
    const [inner, outer = inner] = [parts.pop(), parts.pop()]
    const to = `TCP:${addressOf(numberOf(name))}:${inner}`
    const [program = '', ...words] = network.within(['socat', `TCP-LISTEN:${outer},fork,reuseaddr`, to])
    others.push(spawn(program, words, { stdio: 'ignore' }))
  }
  const healthy = async (name: string, withinMs = 60_000) => {
    const [kind, ...words] = read().services[name]?.healthcheck?.test ?? []
    if (kind !== 'CMD') throw new Error(`${name} has no health check`)
    const deadline = performance.now() + withinMs
    for (;;) {
      const child = running.get(name)
      if (
        child &&
        (await execInside(child, words).then(
          () => true,
          () => false,
        ))
      )
        return
      if (performance.now() > deadline) throw new Error(`${name} is not well:\n${tailOf(logOf(name))}`)
      await sleep(250)
    }
  }
  const finish = async (name: string, spec: ContainerSpec) => {
    const { code, text } = await runContainer(spec, { network: await networkOf(name), log: logOf(name) })
    if (code === 0) return text
    throw new Error(`${spec.words.join(' ')} ended with ${code}:\n${text}${tailOf(logOf(name))}`)
  }
  const database = () => ({
    host: join(volumes, 'database-socket'),
    user: 'postgres',
    password: readFileSync(join(folder, read().secrets['postgres-password']?.file ?? ''), 'utf8').trim(),
    database: 'biotrakr',
  })

  return {
    async up() {
      const names = Object.keys(read().services)
      prepareVolumes(volumes, { image, hosts: names.map((name) => `${addressOf(numberOf(name))} ${name}`) })
      const plain = specOf('database')
      await finish('database', firstDatabase(plain, { volumes, password: database().password }))
      const [, ...settings] = plain.words
      const words = [`${POSTGRES}/postgres`, '-D', '/var/lib/postgresql/data', ...settings]
      await start('database', { ...plain, words: [...words, ...WATCHED] })
      await createDatabase(database())
      await healthy('database')
      await finish('migrate', specOf('migrate'))
      for (const name of ['broker', 'ingest-1', 'ingest-2', 'serve', 'enroll']) await start(name, specOf(name))
      for (const name of ['broker', 'ingest-1', 'ingest-2']) await healthy(name)
    },
    run: (name, words) => finish(name, specOf(name, words)),
    healthy,
    database,
    log: (name) => readFileSync(logOf(name), 'utf8'),
    processes: () => new Map([...running].map(([name, { pid = 0 }]) => [name, pid])),
    async down() {
      isDown = true
      for (const child of others) child.kill('SIGKILL')
      const last = running.get('database')
      running.delete('database')
      await Promise.all([...running.values()].map((child) => ended(child)))
      if (last) await ended(last, 'SIGINT')
    },
  }
}

async function ended(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await Promise.race([gone, sleep(15_000).then(() => child.kill('SIGKILL'))])
}

const tailOf = (file: string) => readFileSync(file, 'utf8').split('\n').slice(-15).join('\n')
