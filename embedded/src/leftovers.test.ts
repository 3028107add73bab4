import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { endLeftovers } from './leftovers.ts'
import { commandLine } from './processes.ts'

let path: string
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'biotrakr-left-'))
  mkdirSync(join(path, 'run'))
})
afterEach(() => rmSync(path, { recursive: true, force: true }))
const folder = () => ({ path, serverPath: path, at: (...parts: string[]) => join(path, ...parts) })

describe('what a killed launcher left behind', () => {
  it('is ended by its pid file', async () => {
    const script = "console.log('up'); setInterval(() => {}, 1000)"
    const child = spawn(process.execPath, ['-e', script, join(path, 'config')], { stdio: ['ignore', 'pipe', 'ignore'] })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    const ended = new Promise((resolve) => child.once('exit', (_, name) => resolve(name)))
    writeFileSync(join(path, 'run', 'agent.pid'), `${child.pid}\n`)
    expect(await endLeftovers(folder())).toEqual(['agent'])
    expect(await ended).toBe('SIGTERM')
    expect(existsSync(join(path, 'run', 'agent.pid'))).toBe(false)
  })

  it('is left alone when its process id has gone to somebody else', async () => {
    writeFileSync(join(path, 'run', 'broker.pid'), `${process.pid}\n`)
    writeFileSync(join(path, 'run', 'serve.pid'), 'not a number\n')
    expect(await endLeftovers(folder())).toEqual([])
    expect(commandLine(process.pid)).toBeDefined()
  })
})
