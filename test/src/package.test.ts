import { type ChildProcess, execFileSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { inspectOutbox, nodeCompression, openSqliteOutbox, outboxPath, systemClock } from '@biotrakr/agent'
import { choosePort, nodeProgram, productRoot, storedEpochs, tallyLedger } from '@biotrakr/embedded'
import type { GatewayId } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'
import { describe, expect } from 'vitest'

import { type DebianRoot, digestOf, hasDebianRoot, inodeOf, makeDebianRoot } from './debian-root.ts'
import { hasMosquitto, itNeeding } from './needs.ts'
import { type Plant, startPlant } from './plant.ts'

const GATEWAY = 'gw-package' as GatewayId
const SEED = 1
const TAGS = 10
const START_MS = Date.now() - 60_000
const ward = createWard({ seed: SEED, startMs: START_MS, tags: TAGS })
const [BEFORE, NOW, NEXT] = ['0.0.9', '0.1.0', '0.1.1'] as const
/** From the package to the first fix in the database. */
const FIRST_FIX_MS = 180_000

/** @returns the folder of the release */
function pack(work: string, version: string, name = version): string {
  const out = join(work, name)
  const options = ['--arch=amd64', '--compress=1', `--version=${version}`, `--out=${out}`]
  execFileSync(
    join(productRoot, 'node_modules/.bin/tsx'),
    ['--conditions=biotrakr:source', 'agent/packaging/package.ts', ...options, `--sign=${join(work, 'key.pem')}`],
    {
      cwd: productRoot,
      env: { ...process.env, SOURCE_DATE_EPOCH: '1760000000' },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  return out
}

const debOf = (folder: string, version: string) => join(folder, `biotrakr-agent_${version}_amd64.deb`)

/** The agent under a service manager of this test: started by the unit's own words, and again when asked for. */
function supervise(root: DebianRoot) {
  const unit = readFileSync(root.at('usr/lib/systemd/system/biotrakr-agent.service'), 'utf8')
  const words = /^ExecStart=(.+)$/m.exec(unit)?.[1]?.split(' ') ?? []
  let child: ChildProcess | undefined
  let isWatched = true
  const stop = async () => {
    if (!child || child.exitCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  const start = () => {
    child = root.start('biotrakr', words)
  }
  // What stands for systemctl in there: it asks, and waits until it is done.
  const request = root.at('run/restart-wanted')
  const answer = 'touch /run/restart-wanted; while [ -e /run/restart-wanted ]; do sleep 0.1; done'
  writeFileSync(root.at('usr/bin/systemctl'), `#!/bin/sh\n${answer}\n`, { mode: 0o755 })
  const watch = (async () => {
    while (isWatched) {
      if (existsSync(request)) {
        await stop()
        start()
        rmSync(request)
      }
      await sleep(50)
    }
  })()
  return {
    start,
    stop,
    async end() {
      isWatched = false
      await watch
      await stop()
      rmSync(root.at('usr/bin/systemctl'), { force: true })
    },
  }
}

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
  readonly root: DebianRoot
  readonly plant: Plant
  /** Of the releases. */
  readonly folders: { readonly before: string; readonly now: string; readonly next: string }
}

async function liveThrough({ root, plant, folders }: Life): Promise<void> {
  const bare = root.inventory()
  const beganMs = performance.now()
  await root.install(debOf(folders.before, BEFORE))
  expect(await root.exec('sh', '-c', 'command -v cc gcc g++ make python3 npm || true')).toBe('')
  expect(await root.exec('biotrakr', 'doctor')).not.toContain('FAIL')
  expect(readFileSync(root.at('etc/biotrakr/agent.yaml'), 'utf8')).toContain('Configuration of a BioTrakr gateway')
  const { port } = await choosePort(undefined)
  await configure(root, plant, port)
  const check = 'biotrakr config check --config /etc/biotrakr/agent.yaml'
  expect(readFileSync(join(productRoot, 'docs/install.md'), 'utf8')).toContain(check)
  await root.exec(...check.split(' '))
  const service = supervise(root)
  try {
    service.start()
    await until('the first fix in the database', () => someFix(plant), FIRST_FIX_MS)
    expect(performance.now() - beganMs).toBeLessThan(FIRST_FIX_MS)
    await service.stop()
    const given = fillStore(root)

    const config = digestOf(root.at('etc/biotrakr/agent.yaml'))
    const store = inodeOf(storeOf(root))
    await root.install(debOf(folders.now, NOW))
    expect([digestOf(root.at('etc/biotrakr/agent.yaml')), inodeOf(storeOf(root))]).toEqual([config, store])
    service.start()
    const upgraded = await until('all of the full store confirmed', () => drained(port))
    expect(upgraded.software).toBe(NOW)
    await update(root, plant, folders.next)
    expect((await healthAt(port)).software).toBe(NEXT)
    expect(await root.exec('biotrakr', '--version')).toContain(NEXT)
    await until('all confirmed', () => drained(port))
    await service.stop()
    const tally = tallyLedger(inspectOutbox(storeOf(root)).epochs, await storedEpochs(plant.pool, GATEWAY))
    expect(tally).toMatchObject({ lost: 0, duplicated: 0, waiting: 0 })
    expect(tally.records).toBeGreaterThan(given)
  } finally {
    await service.end()
  }

  await root.exec('dpkg', '--remove', 'biotrakr-agent')
  expect(existsSync(storeOf(root)) && existsSync(root.at('etc/biotrakr/agent.yaml'))).toBe(true)
  expect(existsSync(root.at('usr/lib/biotrakr'))).toBe(false)
  await root.exec('dpkg', '--purge', 'biotrakr-agent')
  expect(root.inventory()).toEqual(bare)
}

const storeOf = (root: DebianRoot) => outboxPath(root.at('var/lib/biotrakr'))

async function configure(root: DebianRoot, plant: Plant, port: number): Promise<void> {
  const secret = plant.brokerPassword.text
  root.write('etc/biotrakr/broker-password', secret, 'biotrakr')
  root.write('etc/biotrakr/site-map.yaml', JSON.stringify(ward.siteMap), 'biotrakr')
  const settings = {
    gateway: GATEWAY,
    dataDir: '/var/lib/biotrakr',
    siteMap: 'site-map.yaml',
    tags: ward.tags,
    broker: { url: plant.brokerUrl, username: GATEWAY, passwordFile: 'broker-password' },
    sources: [{ kind: 'simulated', seed: SEED, startMs: START_MS, tags: TAGS }],
    outbox: { maxMegabytes: 8 },
    api: { port },
  }
  root.write('etc/biotrakr/agent.yaml', JSON.stringify(settings), 'biotrakr')
}

async function someFix({ pool }: Plant): Promise<true | undefined> {
  const { rowCount } = await pool.query('select from telemetry.location_history limit 1')
  return rowCount === 0 ? undefined : true
}

interface Health {
  readonly software: string
  readonly outbox: { readonly unacknowledged: number; readonly records: number }
}

async function healthAt(port: number): Promise<Health> {
  const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(2_000) })
  return (await answer.json()) as Health
}

async function drained(port: number): Promise<Health | undefined> {
  const health = await healthAt(port)
  return health.outbox.unacknowledged < 50 ? health : undefined
}

/** Writes as an agent without a centre would, until old records have to give way. @returns how many were given */
function fillStore(root: DebianRoot): number {
  const outbox = openSqliteOutbox({
    path: storeOf(root),
    keyFile: root.at('var/lib/biotrakr/outbox.key'),
    gateway: GATEWAY,
    maxBytes: 8 * 1_048_576,
    compression: nodeCompression,
    clock: systemClock,
    onLost: () => undefined,
    onDamaged: () => undefined,
  })
  const [tag] = ward.tags
  const [room] = ward.siteMap.rooms
  if (!tag || !room) throw new Error('the ward has neither tags nor rooms')
  let given = 0
  const startMs = Date.now() - 3_600_000
  while (outbox.status().evicted === 0 && given < 200_000) {
    for (let n = 0; n < 200; n++) {
      const answer = { tag, room: room.id, reason: 'none', method: 'BLE', confidence: 900, mapVersion: 1 } as const
      outbox.append({ kind: 'fix', ...answer, atMs: startMs + ++given, spanMs: 1, evidence: randomBytes(100) })
    }
    outbox.flush()
  }
  expect(outbox.status().evicted).toBeGreaterThan(0)
  outbox.close()
  root.giveTo('biotrakr', 'var/lib/biotrakr')
  return given
}

/** From a centre that offers the release, after one of a rogue was refused. */
async function update(root: DebianRoot, plant: Plant, folder: string): Promise<void> {
  cpSync(folder, root.at('tmp/release'), { recursive: true })
  const rogue = root.at('tmp/rogue')
  cpSync(folder, rogue, { recursive: true })
  const signature = join(rogue, 'release.json.sig')
  const { privateKey } = generateKeyPairSync('ed25519')
  writeFileSync(signature, sign(null, readFileSync(join(rogue, 'release.json')), privateKey).toString('base64'))
  await expect(root.exec('biotrakr', 'update', '--from', '/tmp/rogue')).rejects.toThrow(/RELEASE_REFUSED/)
  await serveRelease(root, plant, folder)
  expect(await root.execOnline('biotrakr', 'update')).toContain(`${NEXT} is in force`)
}

async function serveRelease(root: DebianRoot, plant: Plant, folder: string): Promise<void> {
  await plant.serve()
  const { port } = await choosePort(undefined)
  const written = readFileSync(plant.folder.at('config/serve.yaml'), 'utf8')
  const lines = `serve:\n  port: ${port}\n  releasesFolder: ${plant.folder.at('releases')}\n`
  const config = plant.folder.write('config/releases.yaml', `${written.replace(/^serve:\n( .*\n)*/m, '')}${lines}`)
  const { args, env } = nodeProgram('cloud', ['release', 'add', folder, '--config', config])
  execFileSync(process.execPath, args, { cwd: productRoot, env, stdio: ['ignore', 'ignore', 'inherit'] })
  await plant.startProgram('releases', { bundle: 'cloud', words: ['serve', '--config', config], port })
  const { publicKey } = generateKeyPairSync('ed25519')
  root.write('etc/biotrakr/site-key.pem', publicKey.export({ type: 'spki', format: 'pem' }).toString(), 'biotrakr')
  const file = root.at('etc/biotrakr/agent.yaml')
  const settings = JSON.parse(readFileSync(file, 'utf8')) as object
  const centre = { url: `http://127.0.0.1:${port}`, siteKeyFile: 'site-key.pem' }
  root.write('etc/biotrakr/agent.yaml', JSON.stringify({ ...settings, centre }), 'biotrakr')
}

describe('the Debian package, in a clean root', () => {
  itNeeding(hasDebianRoot && hasMosquitto, 'a Debian root (BIOTRAKR_TEST_DEBIAN_ROOT, as root), or mosquitto,')(
    'installs without network and compiler, syncs, is upgraded and updated with its store, and leaves nothing behind',
    async () => {
      const work = mkdtempSync(join(tmpdir(), 'biotrakr-packages-'))
      execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', join(work, 'key.pem')], { stdio: 'ignore' })
      const [before, again] = [pack(work, BEFORE), pack(work, BEFORE, 'again')]
      expect(digestOf(debOf(again, BEFORE)), 'two builds of the same sources').toBe(digestOf(debOf(before, BEFORE)))
      const [now, next] = [pack(work, NOW), pack(work, NEXT)]
      execFileSync('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: now })

      const root = makeDebianRoot()
      const plant = await startPlant({ gateway: GATEWAY, siteMap: ward.siteMap, tags: ward.tags })
      try {
        await liveThrough({ root, plant, folders: { before, now, next } })
      } finally {
        await plant.stop()
        root.remove()
        rmSync(work, { recursive: true, force: true })
      }
    },
    600_000,
  )
})
