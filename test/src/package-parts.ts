import { type ChildProcess, execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { nodeCompression, openSqliteOutbox, outboxPath, systemClock } from '@biotrakr/agent'
import { productRoot } from '@biotrakr/embedded'
import type { GatewayId, RoomId, TagId } from '@biotrakr/shared'

import type { DebianRoot } from './debian-root.ts'

/** Builds a signed release for this architecture. @returns its folder */
export function pack(work: string, version: string, name = version): string {
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

export const debOf = (folder: string, version: string) => join(folder, `biotrakr-agent_${version}_amd64.deb`)
export const storeOf = (root: DebianRoot) => outboxPath(root.at('var/lib/biotrakr'))

/** The agent under a service manager of this test: started by the unit's own words, and again when asked for. */
export interface Supervised {
  start(): void
  stop(): Promise<void>
  end(): Promise<void>
}

/** Asks this test for what systemd would start, and leaves the links of units to the real program. */
const SYSTEMCTL = `#!/bin/sh
now= words=
for word; do if [ "$word" = --now ]; then now=yes; else words="$words $word"; fi; done
if [ "$1" = restart ] || [ -n "$now" ]; then
  touch /run/restart-wanted
  while [ -e /run/restart-wanted ]; do sleep 0.1; done
fi
[ "$1" = restart ] || SYSTEMD_OFFLINE=1 exec /usr/bin/systemctl.real $words
`

/** Before the package comes, so that what it leaves behind can be told. */
export function replaceServiceManager(root: DebianRoot): void {
  renameSync(root.at('usr/bin/systemctl'), root.at('usr/bin/systemctl.real'))
  writeFileSync(root.at('usr/bin/systemctl'), SYSTEMCTL, { mode: 0o755 })
}

export function supervise(root: DebianRoot): Supervised {
  const words = () => {
    const unit = readFileSync(root.at('usr/lib/systemd/system/biotrakr-agent.service'), 'utf8')
    return /^ExecStart=(.+)$/m.exec(unit)?.[1]?.split(' ') ?? []
  }
  let child: ChildProcess | undefined
  let isWatched = true
  const stop = async () => {
    if (!child || child.exitCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  const start = () => {
    child = root.start('biotrakr', words())
  }
  const request = root.at('run/restart-wanted')
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
    },
  }
}

interface Filling {
  readonly gateway: GatewayId
  readonly tag: TagId
  readonly room: RoomId
}

const MAX_BYTES = 8 * 1_048_576

/** Writes as an agent without a centre would, until old records have to give way. @returns how many were given */
export function fillStore(root: DebianRoot, { gateway, tag, room }: Filling): number {
  const outbox = openSqliteOutbox({
    path: storeOf(root),
    keyFile: root.at('var/lib/biotrakr/outbox.key'),
    gateway,
    maxBytes: MAX_BYTES,
    compression: nodeCompression,
    clock: systemClock,
    onLost: () => undefined,
    onDamaged: () => undefined,
  })
  let given = 0
  const startMs = Date.now() - 3_600_000
  while (outbox.status().evicted === 0 && given < 200_000) {
    for (let n = 0; n < 200; n++) {
      const answer = { tag, room, reason: 'none', method: 'BLE', confidence: 900, mapVersion: 1 } as const
      outbox.append({ kind: 'fix', ...answer, atMs: startMs + ++given, spanMs: 1, evidence: randomBytes(100) })
    }
    outbox.flush()
  }
  const { evicted } = outbox.status()
  outbox.close()
  root.giveTo('biotrakr', 'var/lib/biotrakr')
  if (evicted === 0) throw new Error('the store did not get full')
  return given
}

/**
 * The command of a unit of the package as a line for its root, held to what the unit lets it write and to its rights, as
 * far as mounts and capabilities go: there is no service manager that would add the rest.
 */
export function lineOfUnit(root: DebianRoot, unit: string): string {
  const text = readFileSync(root.at(`usr/lib/systemd/system/${unit}`), 'utf8')
  const settingOf = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? ''
  const writable = [...settingOf('ReadWritePaths').split(' '), '/tmp'].map((path) => `mount --bind ${path} /mnt${path}`)
  const rights = settingOf('CapabilityBoundingSet').replaceAll('CAP_', '+').toLowerCase().replaceAll(' ', ',')
  const steps = [
    'mount --bind / /mnt',
    ...writable,
    'mount --rbind /proc /mnt/proc',
    'mount --rbind /dev /mnt/dev',
    'mount -o remount,bind,ro /mnt',
    `exec chroot /mnt setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,${rights} ${settingOf('ExecStart')}`,
  ]
  // Each line has mounts of its own.
  return steps.join(' && ')
}
