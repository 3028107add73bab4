import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { nodeProgram, productRoot } from '@biotrakr/embedded'
import { createWard } from '@biotrakr/sim'
import { afterEach, beforeEach, describe, expect } from 'vitest'

import { hasPython, hasSystemdNotify, itNeeding } from './needs.ts'

/**
 * Stands in for systemd: a real datagram socket that reads messages and closes what comes with them, which is what
 * systemd-notify waits for. Prints one line a message, with the time in seconds.
 */
const RECEIVER = `
import array, os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print(time.time(), "LISTENING", flush=True)
while True:
    data, extra, flags, sender = s.recvmsg(4096, socket.CMSG_SPACE(64))
    for level, kind, handles in extra:
        if kind == socket.SCM_RIGHTS:
            a = array.array("i"); a.frombytes(handles)
            for handle in a: os.close(handle)
    print(time.time(), data.decode(), flush=True)
`

const BUSY_MS = 9_000
/** Loaded into the agent: a signal blocks its loop, another stops its timers of one second, which commit and close. */
const HOOK = `
const every = globalThis.setInterval
let still = false
globalThis.setInterval = (task, ms) => every(() => { if (!still || !String(task).includes('#commit')) task() }, ms)
process.on('SIGUSR2', () => {
  process.stdout.write('BLOCKED ' + Date.now() / 1000 + '\\n')
  const end = Date.now() + ${BUSY_MS}
  while (Date.now() < end);
  process.stdout.write('FREE ' + Date.now() / 1000 + '\\n')
})
process.on('SIGWINCH', () => { still = true; process.stdout.write('STILL ' + Date.now() / 1000 + '\\n') })
`

interface Said {
  readonly at: number
  readonly words: string
}

let folder: string
let children: ChildProcess[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-watchdog-'))
  children = []
})
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

function listen(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const child = spawn(program, [...args], { env, cwd: productRoot, stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  return { child, text: () => text }
}

/** The agent under a stand-in for systemd that wants to hear from it every 3 s. */
async function startWatched() {
  const socket = join(folder, 'notify.sock')
  const receiver = listen('python3', ['-c', RECEIVER, socket])
  const heard = (): Said[] =>
    receiver
      .text()
      .split('\n')
      .flatMap((line) => {
        const [at, ...words] = line.split(' ')
        return words.length > 0 ? [{ at: Number(at), words: words.join(' ') }] : []
      })
  const told = (words: string) => heard().filter((said) => said.words === words)
  const until = async (isTrue: () => boolean) => {
    while (!isTrue()) await sleep(100)
  }
  await until(() => told('LISTENING').length > 0)
  const { args, env } = nodeProgram('agent', ['run', '--config', writeConfig(), '--flush-seconds', '0'])
  const hook = `--import=data:text/javascript,${encodeURIComponent(HOOK)}`
  const watched = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '3000000' }
  const agent = listen(process.execPath, [hook, ...args], { ...process.env, ...env, ...watched })
  return { agent, told, until }
}

function writeConfig(): string {
  const startMs = Date.now()
  const ward = createWard({ seed: 5, startMs, tags: 6 })
  mkdirSync(join(folder, 'data'))
  writeFileSync(join(folder, 'site-map.json'), JSON.stringify(ward.siteMap))
  const file = join(folder, 'agent.yaml')
  const config = {
    gateway: 'watched-gateway',
    dataDir: 'data',
    siteMap: 'site-map.json',
    tags: ward.tags,
    // Nobody is there: what is watched does not depend on the centre.
    broker: { url: 'mqtt://127.0.0.1:9' },
    sources: [{ kind: 'simulated', seed: 5, startMs, tags: 6 }],
    api: { port: 0 },
  }
  writeFileSync(file, JSON.stringify(config))
  return file
}

const timeOf = (text: string, word: string) => Number(new RegExp(`^${word} ([\\d.]+)$`, 'm').exec(text)?.[1])
/** A message that was on its way when the loop was blocked may still arrive: systemd-notify is a process of its own. */
const ON_ITS_WAY_S = 3

describe('an agent under a service manager', () => {
  const need = itNeeding(hasPython && hasSystemdNotify, 'python3 or systemd-notify')

  need(
    'says that it is ready and alive, is silent while its loop is blocked, and says when it stops',
    async () => {
      const { agent, told, until } = await startWatched()
      await until(() => told('READY=1').length > 0 && told('WATCHDOG=1').length > 1)
      agent.child.kill('SIGUSR2')
      await until(() => agent.text().includes('FREE '))
      const [from, to] = [timeOf(agent.text(), 'BLOCKED'), timeOf(agent.text(), 'FREE')]
      await until(() => told('WATCHDOG=1').some(({ at }) => at > to))
      expect(told('WATCHDOG=1').filter(({ at }) => at > from + ON_ITS_WAY_S && at < to)).toEqual([])
      agent.child.kill('SIGTERM')
      await until(() => told('STOPPING=1').length > 0)
    },
    90_000,
  )

  need(
    'is silent once it commits nothing any more, although its loop turns',
    async () => {
      const { agent, told, until } = await startWatched()
      await until(() => told('WATCHDOG=1').length > 1)
      agent.child.kill('SIGWINCH')
      await until(() => agent.text().includes('"service.stuck"'))
      const stuckAt = Date.now() / 1_000
      await sleep(6_000)
      expect(agent.text()).toContain('"stuck":["commits"]')
      expect(told('WATCHDOG=1').filter(({ at }) => at > stuckAt + ON_ITS_WAY_S)).toEqual([])
      expect(agent.child.exitCode).toBeNull()
    },
    90_000,
  )
})
