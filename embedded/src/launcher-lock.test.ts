import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { takeLock } from './launcher-lock.ts'
import { commandLine } from './processes.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the lock of a data folder', () => {
  it('names the running process that holds it', () => {
    const { ppid } = process
    const holder = { pid: ppid, command: commandLine(ppid) }
    writeFileSync(join(folder, 'launcher.pid'), JSON.stringify(holder))
    expect(() => takeLock(folder)).toThrow(new RegExp(`in use by process ${ppid}`))
  })

  it('is taken over from a process that is gone, or whose id went to another', () => {
    writeFileSync(join(folder, 'launcher.pid'), JSON.stringify({ pid: process.ppid, command: 'something else' }))
    takeLock(folder).release()
    writeFileSync(join(folder, 'launcher.pid'), JSON.stringify({ pid: 2 ** 22 + 1, command: 'node' }))
    takeLock(folder).release()
    writeFileSync(join(folder, 'launcher.pid'), 'half a li')
    takeLock(folder).release()
    expect(readdirSync(folder)).toEqual([])
  })
})
