import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { bleTag, type TagId } from '@biotrakr/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { readBleKeys } from './ble-keys.ts'

const tag = bleTag('c30000123456') as TagId
const key = '00112233445566778899aabbccddeeff'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'biotrakr-keys-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

function file(text: string, mode = 0o600): string {
  const path = join(dir, 'keys.yaml')
  writeFileSync(path, text, { mode })
  return path
}

function messageOf(path: string): string {
  try {
    readBleKeys(path, [tag])
    return 'accepted'
  } catch (error) {
    return (error as Error).message
  }
}

describe('the file of keys', () => {
  it('holds keys of all three kinds', () => {
    const text = `irks: {'${tag}': ${key}}\nbindKeys: {'${tag}': '${key}'}\nephemeral: [{tag: '${tag}', key: ${key}, exponent: 10, zeroMs: 5}]`
    const bytes = Buffer.from(key, 'hex')
    expect(readBleKeys(file(text), [tag])).toEqual({
      irks: [{ tag, irk: bytes }],
      bindKeys: new Map([[tag, bytes]]),
      ephemeral: [{ tag, key: bytes, exponent: 10, zeroMs: 5 }],
    })
  })

  it('may be empty', () => {
    expect(readBleKeys(file(''), [tag])).toEqual({ irks: [], bindKeys: new Map(), ephemeral: [] })
  })

  it("is refused when others can read it, and a tag that is not the site's with it", () => {
    expect(messageOf(file('', 0o644))).toContain('can be read by other users')
    rmSync(join(dir, 'keys.yaml'))
    expect(messageOf(file(`irks: {'ble:c30000999999': ${key}}`))).toContain('is not one of the tags')
  })

  it('is named by its mistakes and never quoted', () => {
    for (const text of [`irks: {'${tag}': ${key}00}`, `irks: {'${tag}': [${key}`, `bindKeys: ${key}`]) {
      const message = messageOf(file(text))
      expect(message).toMatch(/keys\.yaml/)
      expect(message).not.toContain(key)
    }
  })
})
