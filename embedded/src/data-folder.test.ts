import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { openDataFolder } from './data-folder.ts'

let path: string
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), 'biotrakr-data-')), 'data')
})
afterEach(() => rmSync(join(path, '..'), { recursive: true, force: true }))
const modeOf = (file: string) => statSync(file).mode & 0o777

describe('the data folder', () => {
  it('makes a password once, and only its owner can read it', () => {
    const first = openDataFolder(path, undefined).password('serve')
    const again = openDataFolder(path, undefined).password('serve')
    expect(first.text).toMatch(/^[\w-]{43}$/)
    expect(again).toEqual(first)
    expect(modeOf(first.file)).toBe(0o600)
    expect(modeOf(path)).toBe(0o700)
    expect(openDataFolder(path, undefined).password('ingester').text).not.toBe(first.text)
  })

  it('remembers small facts, and does without when the file is damaged', () => {
    const folder = openDataFolder(path, undefined)
    folder.memory.set('brokerPort', 1883)
    expect(openDataFolder(path, undefined).memory.get('brokerPort')).toBe(1883)
    writeFileSync(folder.at('memory.json'), '{"brokerPort": ')
    expect(openDataFolder(path, undefined).memory.get('brokerPort')).toBeUndefined()
  })

  it('replaces a file whole', () => {
    const folder = openDataFolder(path, undefined)
    folder.write('config/agent.yaml', 'old and much longer')
    const file = folder.write('config/agent.yaml', 'new')
    expect(readFileSync(file, 'utf8')).toBe('new')
    expect(modeOf(file)).toBe(0o600)
  })
})
