import { execFileSync, spawn } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { inspectOutbox } from '@biotrakr/agent'
import { productRoot, storedEpochs, tallyLedger } from '@biotrakr/embedded'
import type { GatewayId } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'
import pg from 'pg'
import { describe, expect } from 'vitest'
import { parse, stringify } from 'yaml'

import { whereSecretsAre } from './centre-secrets.ts'
import { type Composition, createComposition } from './composition.ts'
import { type DebianRoot, digestOf, hasDebianRoot, inodeOf, makeDebianRoot } from './debian-root.ts'
import { makeNetwork } from './namespaces.ts'
import { hasSocat, itNeeding } from './needs.ts'
import {
  debOf,
  fillStore,
  lineOfUnit,
  pack,
  replaceServiceManager,
  type Supervised,
  storeOf,
  supervise,
} from './package-parts.ts'
import { printedCommands, printedFile } from './printed-commands.ts'

const image = process.env['BIOTRAKR_TEST_CENTRE_ROOT'] ?? ''
const hasCentreRoot = image !== '' && existsSync(image)
const GATEWAY = 'gw-4-east' as GatewayId
const SOURCE = { kind: 'simulated', seed: 1, startMs: Date.now() - 60_000, tags: 10 } as const
const ward = createWard(SOURCE)
const [BEFORE, NOW, NEXT] = ['0.1.0', '0.2.0', '0.3.0'] as const
/** From the package to the first fix in the database. */
const FIRST_FIX_MS = 180_000
/** Committed fixes in place of a minute of readers. */
const COMMITTED = 100
const guide = readFileSync(join(productRoot, 'docs/install.md'), 'utf8')

async function until<T>(what: string, look: () => Promise<T | undefined>, withinMs = 60_000): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const found = await look().catch(() => undefined)
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${withinMs} ms`)
    await sleep(200)
  }
}

interface Life {
  /** Where the commands of the centre are typed. */
  readonly folder: string
  readonly composition: Composition
  readonly root: DebianRoot
  readonly pool: () => pg.Pool
  readonly commands: ReturnType<typeof printedCommands>
  /** Of the releases. */
  readonly releases: { readonly before: string; readonly now: string; readonly next: string }
}

/** Types a command of the centre; what is for Docker goes to what stands for it. */
async function typeAtCentre({ folder, composition }: Life, line: string): Promise<void> {
  const docker = /^docker compose run --rm (?:-T )?(\w+) (.+?)(?: > (\S+))?$/.exec(line)
  if (docker) {
    const [, service = '', words = '', file] = docker
    const text = await composition.run(service, words.split(' '))
    if (file !== undefined) writeFileSync(join(folder, file), text)
  } else if (line === 'docker compose up -d --build') {
    // A machine of a test has less memory than a centre.
    writeFileSync(join(folder, '.env'), 'BIOTRAKR_SHARED_BUFFERS=128MB\nBIOTRAKR_CACHE_SIZE=256MB\n', { flag: 'a' })
    await composition.up()
  } else if (/^npm (ci|run build)$/.test(line)) {
    // This very run began with it.
    expect(
      readFileSync(join(productRoot, '.ci/run'), 'utf8') + readFileSync(join(productRoot, 'package.json'), 'utf8'),
    ).toMatch(line === 'npm ci' ? /^npm ci /m : /"pretest": "npm run --silent build"/)
  } else {
    execFileSync('sh', ['-c', line], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  }
}

/** "The centre" and "The building": first with what the guide prints, then with the ward that is played. */
async function setUpCentre(life: Life): Promise<void> {
  const { folder, commands, composition } = life
  for (const line of commands.take('The centre', 'docker compose up')) await typeAtCentre(life, line)
  const site = printedFile(guide, 'site.yaml')
  writeFileSync(join(folder, 'site.yaml'), site)
  writeFileSync(join(folder, 'map-4-east.yaml'), printedFile(guide, 'map-4-east.yaml'))
  const building = commands.take('The building', 'docker compose run --rm admin site publish')
  for (const line of building) await typeAtCentre(life, line)
  const rooms = ward.siteMap.rooms.map(({ id }) => ({ code: id }))
  const tags = ward.tags.map((identity) => ({ identity }))
  writeFileSync(join(folder, 'site.yaml'), stringify({ ...parse(site), rooms, tags }))
  writeFileSync(join(folder, 'map-4-east.yaml'), JSON.stringify(ward.siteMap))
  for (const line of building) await typeAtCentre(life, line)
  for (const line of commands.take('The building', 'docker compose run --rm -T admin gateways add')) {
    await typeAtCentre(life, line)
  }
  await composition.healthy('serve')
  await composition.healthy('enroll').catch(() => undefined)
}

/** "A gateway", as far as its start. */
async function setUpGateway({ folder, root, commands, releases }: Life): Promise<void> {
  root.bring(debOf(releases.before, BEFORE))
  root.bring(debOf(releases.now, NOW))
  root.bring(join(folder, 'gw-4-east'))
  const printed = parse(printedFile(guide, '/etc/biotrakr/agent.yaml')) as object
  const settings = { ...printed, sources: [SOURCE], records: { ledger: 'all' }, outbox: { maxMegabytes: 8 } }
  writeFileSync(root.at('tmp/typed'), stringify(settings))
  for (const line of commands.take('A gateway', 'sudo systemctl enable --now')) {
    const said = await root.type(line)
    if (line.includes(' doctor ')) expect(said).not.toContain('FAIL')
    if (line.startsWith('sudo apt')) {
      expect(await root.exec('sh', '-c', 'command -v cc gcc g++ make python3 npm || true')).toBe('')
      const written = readFileSync(root.at('etc/biotrakr/agent.yaml'), 'utf8')
      expect(written).toContain('Configuration of a BioTrakr gateway')
    }
  }
}

async function liveThrough(life: Life): Promise<void> {
  const { root, commands } = life
  await setUpCentre(life)
  const pool = life.pool()
  replaceServiceManager(root)
  const bare = root.inventory()
  const service = supervise(root)
  try {
    const beganMs = performance.now()
    await setUpGateway(life)
    await until('the first fix in the database', () => fixes(pool, 1), FIRST_FIX_MS)
    expect(performance.now() - beganMs).toBeLessThan(FIRST_FIX_MS)
    await until(`${COMMITTED} fixes`, () => fixes(pool, COMMITTED))
    await upgradeAndUpdate(life, service)
    await enrolAsAgent(life)
    expect(await whereSecretsAre({ ...life, image, pool: life.pool() })).toEqual([])
    await service.stop()
  } finally {
    await service.end()
  }
  for (const line of commands.take('Secrets', 'shred')) await root.type(line)
  await workWithoutPackage(life)
  const [keep = ''] = commands.take('A gateway', 'sudo apt remove')
  await root.type(`${keep} -y`)
  expect(existsSync(storeOf(root)) && existsSync(root.at('etc/biotrakr/agent.yaml'))).toBe(true)
  expect(existsSync(root.at('usr/lib/biotrakr'))).toBe(false)
  const [purge = ''] = commands.take('A gateway', 'sudo apt purge')
  await root.type(`${purge} -y`)
  expect(root.inventory()).toEqual(bare)
}

async function upgradeAndUpdate(life: Life, service: Supervised) {
  const { root, commands, releases, folder, composition } = life
  await service.stop()
  const [tag, room] = [ward.tags[0], ward.siteMap.rooms[0]?.id]
  if (!tag || !room) throw new Error('the ward has neither tags nor rooms')
  const given = fillStore(root, { gateway: GATEWAY, tag, room })
  const config = digestOf(root.at('etc/biotrakr/agent.yaml'))
  const store = inodeOf(storeOf(root))
  const [upgrade = ''] = commands.take('A gateway', 'sudo apt install')
  await root.type(upgrade)
  expect([digestOf(root.at('etc/biotrakr/agent.yaml')), inodeOf(storeOf(root))]).toEqual([config, store])
  service.start()
  const upgraded = await until('all of the full store confirmed', () => drained(root))
  expect(upgraded.software).toBe(NOW)
  await update(root, { folder, composition, release: releases.next })
  expect((await healthOf(root)).software).toBe(NEXT)
  expect(await root.exec('biotrakr', '--version')).toContain(NEXT)
  await until('all confirmed', () => drained(root))
  await service.stop()
  const tally = tallyLedger(inspectOutbox(storeOf(root)).epochs, await storedEpochs(life.pool(), GATEWAY))
  expect(tally).toMatchObject({ lost: 0, duplicated: 0, waiting: 0 })
  expect(tally.records).toBeGreaterThan(given)
  service.start()
  await until('health', () => healthOf(root))
}

/** Once more, by the agent's own account: what it may not write it must not need. */
async function enrolAsAgent({ root, composition }: Life): Promise<void> {
  const words = `gateways add ${GATEWAY} --config /etc/biotrakr/enroll.yaml`
  writeFileSync(root.at('tmp/code'), await composition.run('admin', words.split(' ')))
  const config = '--config /etc/biotrakr/agent.yaml'
  const url = 'https://centre.hospital.example:8443'
  await root.type(`sudo -u biotrakr biotrakr enroll --url ${url} --code-file /tmp/code ${config}`)
  await root.type('sudo systemctl restart biotrakr-agent')
  await until('all confirmed under the new certificate', () => drained(root))
  expect(await root.type(`sudo -u biotrakr biotrakr doctor ${config}`)).not.toContain('FAIL')
}

async function fixes(pool: pg.Pool, count: number): Promise<true | undefined> {
  const { rowCount } = await pool.query('select from telemetry.location_history limit $1', [count])
  return (rowCount ?? 0) < count ? undefined : true
}

interface Health {
  readonly software: string
  readonly outbox: { readonly unacknowledged: number; readonly records: number }
}

const ASK = "fetch('http://127.0.0.1:9470/health').then((r) => r.text()).then((t) => process.stdout.write(t))"

async function healthOf(root: DebianRoot): Promise<Health> {
  return JSON.parse(await root.exec('node', '-e', ASK)) as Health
}

async function drained(root: DebianRoot): Promise<Health | undefined> {
  const health = await healthOf(root)
  return health.outbox.unacknowledged < 50 ? health : undefined
}

/** From the centre, which was given the release, after one of a rogue was refused. */
async function update(
  root: DebianRoot,
  {
    folder,
    composition,
    release,
  }: { readonly folder: string; readonly composition: Composition; readonly release: string },
): Promise<void> {
  const rogue = root.at('root/rogue')
  cpSync(release, rogue, { recursive: true })
  const { privateKey } = generateKeyPairSync('ed25519')
  const signature = sign(null, readFileSync(join(rogue, 'release.json')), privateKey).toString('base64')
  writeFileSync(join(rogue, 'release.json.sig'), signature)
  await expect(root.type('sudo biotrakr update --from /root/rogue')).rejects.toThrow(/RELEASE_REFUSED/)
  cpSync(release, join(folder, 'release'), { recursive: true })
  await composition.run('admin', ['release', 'add', '/files/release', '--config', '/etc/biotrakr/serve.yaml'])
  // As the timer would start it.
  expect(await root.type(lineOfUnit(root, 'biotrakr-update.service'))).toContain(`${NEXT} is in force`)
  expect(await root.type('sudo biotrakr update')).toContain(`${NEXT} is the newest`)
}

/** "Without the package", with a ward that is played and no broker. */
async function workWithoutPackage(life: Life): Promise<void> {
  const { folder, commands } = life
  for (const line of commands.take('Without the package', 'npx biotrakr config example')) await typeAtCentre(life, line)
  const broker = { url: 'mqtt://127.0.0.1:9' }
  const site = { siteMap: 'map-4-east.yaml', tags: ward.tags }
  const settings = { gateway: GATEWAY, dataDir: 'agent', ...site, broker, sources: [SOURCE], api: { port: 0 } }
  writeFileSync(join(folder, 'agent.yaml'), JSON.stringify(settings))
  for (const line of commands.take('Without the package', 'npx biotrakr config check')) await typeAtCentre(life, line)
  const [line = ''] = commands.take('Without the package', 'npx biotrakr run')
  const child = spawn('sh', ['-c', line], { cwd: folder, detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = once(child, 'exit')
  for await (const part of child.stdout) if (String(part).includes('agent.started')) break
  process.kill(-(child.pid ?? 0), 'SIGTERM')
  await ended
}

/** What a repository is to its commands, in a folder of its own. */
function makeCheckout(folder: string): void {
  chmodSync(folder, 0o755)
  symlinkSync(join(productRoot, 'node_modules'), join(folder, 'node_modules'))
  for (const name of ['docker-compose.yml', 'package.json', 'deploy/prometheus', 'deploy/grafana']) {
    cpSync(join(productRoot, name), join(folder, name), { recursive: true })
  }
}

describe('the install guide, typed as it is printed', () => {
  itNeeding(
    hasDebianRoot && hasCentreRoot && hasSocat,
    'a Debian root (BIOTRAKR_TEST_DEBIAN_ROOT, ..._CENTRE_ROOT; as root), or socat,',
  )(
    'leads from nothing to a centre and to fixes within three minutes, through upgrade and update, and leaves nothing behind',
    async () => {
      const work = mkdtempSync(join(tmpdir(), 'biotrakr-packages-'))
      execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', join(work, 'key.pem')], { stdio: 'ignore' })
      const [before, again] = [pack(work, BEFORE), pack(work, BEFORE, 'again')]
      expect(digestOf(debOf(again, BEFORE)), 'two builds of the same sources').toBe(digestOf(debOf(before, BEFORE)))
      const [now, next] = [pack(work, NOW), pack(work, NEXT)]
      execFileSync('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: now })

      const folder = mkdtempSync(join(tmpdir(), 'biotrakr-centre-'))
      makeCheckout(folder)
      const network = await makeNetwork()
      const root = makeDebianRoot(network)
      const composition = createComposition({ folder, image, network })
      let pool: pg.Pool | undefined
      const commands = printedCommands(guide)
      const openPool = () => {
        pool ??= new pg.Pool({ ...composition.database(), max: 2 }).on('error', () => undefined)
        return pool
      }
      try {
        const releases = { before, now, next }
        await liveThrough({ folder, composition, root, commands, releases, pool: openPool })
        expect(commands.left(), 'commands that nobody has typed').toEqual([])
      } finally {
        await pool?.end()
        await composition.down()
        network.end()
        root.remove()
        for (const path of [work, folder]) rmSync(path, { recursive: true, force: true })
      }
    },
    600_000,
  )
})
