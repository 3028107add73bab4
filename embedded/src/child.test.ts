import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { type ChildEvent, type ChildSpec, SupervisedChild } from './child.ts'
import { isAlive } from './processes.ts'

const READY = "require('fs').writeFileSync(process.argv[1], String(process.pid)); setInterval(() => {}, 1000);"

let folder: string
let events: ChildEvent[]
let children: SupervisedChild[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-child-'))
  events = []
  children = []
})
afterEach(async () => {
  for (const child of children) await child.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** @param script runs in Node; its first argument is the file that tells that it is ready, holding its process id */
function specOf(script: string): ChildSpec {
  const flag = join(folder, 'ready')
  return {
    name: 'example',
    command: process.execPath,
    args: ['-e', script, flag],
    cwd: folder,
    logFile: join(folder, 'example.log'),
    pidFile: join(folder, 'example.pid'),
    prepare: async () => rmSync(flag, { force: true }),
    ready: async () => existsSync(flag),
    readyWithinMs: 10_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 300,
  }
}

function supervise(spec: ChildSpec): SupervisedChild {
  const child = new SupervisedChild(spec, { random: () => 0, onEvent: (event) => events.push(event) })
  children.push(child)
  return child
}

const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10))
}

describe('a supervised child', () => {
  it('is ready when its check says so, and has ended when stop returns', async () => {
    const child = supervise(specOf(READY))
    await child.start()
    const pid = child.pid() ?? 0
    expect(isAlive(pid)).toBe(true)
    expect(readFileSync(join(folder, 'example.pid'), 'utf8').trim()).toBe(String(pid))
    await child.stop()
    expect(isAlive(pid)).toBe(false)
    expect(existsSync(join(folder, 'example.pid'))).toBe(false)
  })

  it('is started again when it dies, which is said', async () => {
    const child = supervise(specOf(READY))
    await child.start()
    const first = child.pid() ?? 0
    process.kill(first, 'SIGKILL')
    await until(() => events.filter(({ kind }) => kind === 'ready').length === 2)
    expect(events.map(({ kind }) => kind)).toEqual(['ready', 'died', 'ready'])
    expect(events[1]).toMatchObject({ child: 'example', how: 'was ended by SIGKILL' })
    expect(child.restarts).toBe(1)
    expect(child.pid()).not.toBe(first)
  })

  it('is given up when it keeps failing, with its last words', async () => {
    const spec = specOf("console.error('no such luck'); process.exit(3)")
    writeFileSync(spec.logFile, 'words of an earlier run\n')
    const child = supervise(spec)
    await expect(child.start()).rejects.toMatchObject({
      code: 'CHILD_FAILED',
      message: expect.stringMatching(/example ended with code 3; its last words:\n( {2}no such luck\n){6}$/),
    })
    expect(events.filter(({ kind }) => kind === 'died')).toHaveLength(5)
  })

  it('says when its program is missing', async () => {
    const child = supervise({ ...specOf(READY), command: join(folder, 'missing') })
    await expect(child.start()).rejects.toThrow(/could not be started: spawn .*ENOENT/)
  })

  it('is killed when it does not end in time', async () => {
    const child = supervise(specOf(`process.on('SIGTERM', () => {}); ${READY}`))
    await child.start()
    const pid = child.pid() ?? 0
    await child.stop()
    expect(isAlive(pid)).toBe(false)
  })

  it('can be stopped while it is still starting', async () => {
    const child = supervise(specOf('setInterval(() => {}, 1000)'))
    const starting = expect(child.start()).rejects.toThrow(/was stopped while it started/)
    await until(() => child.pid() !== undefined)
    await child.stop()
    await starting
  })

  it('is not shared with the terminal: it has a session of its own', async () => {
    const child = supervise(specOf(READY))
    await child.start()
    expect(() => process.kill(-(child.pid() ?? 0), 0)).not.toThrow()
  })
})
