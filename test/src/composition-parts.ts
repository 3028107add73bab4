import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { productRoot } from '@biotrakr/embedded'
import pg from 'pg'
import { parse } from 'yaml'

import { type ContainerSpec, type Mount, userOf } from './namespaces.ts'

interface Service {
  readonly image: string
  readonly command?: readonly string[]
  readonly user?: string
  readonly volumes?: readonly string[]
  readonly secrets?: readonly string[]
  readonly ports?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly read_only?: boolean
  readonly ulimits?: { readonly nofile?: number }
  readonly healthcheck?: { readonly test: readonly string[] }
}

/** docker-compose.yml, as far as it is played. */
export interface Document {
  readonly services: Readonly<Record<string, Service>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
}

/** Of Debian's package; the image of the composition has it in its path. */
export const POSTGRES = '/usr/lib/postgresql/17/bin'

/** @returns docker-compose.yml of a folder, with the variables of the file .env beside it in place */
export function readComposition(folder: string): Document {
  const lines = readFileSync(join(folder, '.env'), 'utf8').matchAll(/^(\w+)=(.*)$/gm)
  const variables = new Map([...lines].map(([, name = '', value = '']) => [name, value]))
  return interpolated(parse(readFileSync(join(folder, 'docker-compose.yml'), 'utf8'), { merge: true }), variables)
}

/** `${NAME}`, `${NAME:-default}`, `${NAME:?message}`, as of the compose specification. */
function interpolated<T>(value: T, variables: ReadonlyMap<string, string>): T {
  const whole = JSON.stringify(value).replaceAll(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_all, name, kind, rest) => {
    const given = variables.get(name)
    if (given !== undefined) return given
    if (kind === '-') return rest
    throw new Error(`${name} is not set: ${rest ?? ''}`)
  })
  return JSON.parse(whole) as T
}

/** Whether the repository's Dockerfile builds its image. */
export const isBuilt = ({ image }: Service): boolean => image === 'biotrakr-cloud:local'

/** What the last stage of the Dockerfile copies, from where a build leaves it, and what it starts. */
export function builtImage(): { readonly mounts: readonly Mount[]; readonly entrypoint: readonly string[] } {
  const text = readFileSync(join(productRoot, 'Dockerfile'), 'utf8')
  const [, last = ''] = text.split(/^FROM \$\{NODE_IMAGE\}$/m)
  const workdir = /^WORKDIR (\S+)$/m.exec(last)?.[1] ?? '/'
  const copies = [...last.matchAll(/^COPY --from=build \/build\/(\S+) (\S+)$/gm)].map(([, from = '', to = '']) => ({
    from: join(productRoot, from),
    to: to === './' || to.endsWith('/') ? join(workdir, to, from.split('/').at(-1) ?? '') : resolve(workdir, to),
    readOnly: true,
  }))
  const entrypoint = JSON.parse(/^ENTRYPOINT (.+)$/m.exec(last)?.[1] ?? '[]') as string[]
  return { mounts: copies, entrypoint }
}

interface Places {
  readonly document: Document
  readonly folder: string
  /** Folder of the named volumes. */
  readonly volumes: string
}

/** Volumes and secrets of a service, and the names of the others. */
export function mountsOf({ volumes: wanted = [], secrets = [] }: Service, places: Places): readonly Mount[] {
  const { document, folder, volumes } = places
  const mounted = wanted.map((text) => {
    const [from = '', to = '', mode] = text.split(':')
    const isNamed = /^[\w-]+$/.test(from)
    return { from: isNamed ? join(volumes, from) : resolve(folder, from), to, readOnly: mode === 'ro' }
  })
  const handed = secrets.map((name) => {
    const { file } = document.secrets[name] ?? { file: '' }
    return { from: resolve(folder, file), to: `/run/secrets/${name}`, readOnly: true }
  })
  // A mount below another comes after it.
  const sorted = [...mounted, ...handed].sort((a, b) => a.to.length - b.to.length)
  return [...sorted, { from: join(volumes, 'hosts'), to: '/etc/hosts', readOnly: true }]
}

interface Wish {
  readonly image: string
  /** Lines: address and name of each service. */
  readonly hosts: readonly string[]
}

/** As Docker makes them: the folder of the socket is open to all, that of the data to the server. */
export function prepareVolumes(volumes: string, { image, hosts }: Wish): void {
  const [uid = 0, gid = 0] = userOf(image, 'postgres').split(':').map(Number)
  for (const [name, mode] of [
    ['database', 0o700],
    ['database-socket', 0o1777],
  ] as const) {
    mkdirSync(join(volumes, name), { recursive: true })
    chownSync(join(volumes, name), uid, gid)
    chmodSync(join(volumes, name), mode)
  }
  writeFileSync(join(volumes, 'hosts'), ['127.0.0.1 localhost', ...hosts, ''].join('\n'))
}

/** What the start-up of the database image does with an empty volume. */
export function firstDatabase(
  spec: ContainerSpec,
  { volumes, password }: { readonly volumes: string; readonly password: string },
): ContainerSpec {
  const file = join(volumes, 'password')
  writeFileSync(file, password, { mode: 0o600 })
  const [uid = 0, gid = 0] = spec.user.split(':').map(Number)
  chownSync(file, uid, gid)
  const options = (
    readComposition(join(volumes, '..')).services['database']?.environment?.['POSTGRES_INITDB_ARGS'] ?? ''
  )
    .split(' ')
    .filter((word) => word !== '')
  const words = [`${POSTGRES}/initdb`, '-D', '/var/lib/postgresql/data', '-U', 'postgres', '--pwfile=/run/password']
  const mounts = [...spec.mounts, { from: file, to: '/run/password', readOnly: true }]
  return { ...spec, mounts, words: [...words, '--no-sync', '--locale=C.UTF-8', ...options] }
}

/** The database that POSTGRES_DB names, once the server takes connections. */
export async function createDatabase(settings: pg.PoolConfig): Promise<void> {
  for (let tries = 1; ; tries++) {
    const client = new pg.Client({ ...settings, database: 'postgres' })
    try {
      await client.connect()
      await client.query('create database biotrakr')
      return await client.end()
    } catch (error) {
      await client.end().catch(() => undefined)
      if (tries === 100) throw error
      await sleep(200)
    }
  }
}
