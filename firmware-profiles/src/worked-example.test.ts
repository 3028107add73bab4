import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import type { Decoded } from './driver.ts'
import { bytesOfHex, hexOf } from './hex.ts'
import { loadProfile } from './load.ts'

const guide = readFileSync(new URL('../../CONTRIBUTING.md', import.meta.url), 'utf8')
const manual = readFileSync(new URL('../../docs/profiles.md', import.meta.url), 'utf8')
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const section = /## Adding a reader\n(.*?)\n## /s.exec(guide)?.[1] ?? ''

function block(language: string): string {
  return new RegExp(`\`\`\`${language}\n(.*?)\n\`\`\``, 's').exec(section)?.[1] ?? ''
}

function load() {
  const sources = new Map<string, unknown>([['example-door', JSON.parse(block('json'))]])
  return loadProfile('example-door', sources, { sha256 })
}

/** A decoded frame in the words of the guide. */
function told(decoded: Decoded): string {
  const { verdict, tags, fields, error } = decoded
  const [tag] = tags
  if (verdict === 'garbage') return `garbage ${hexOf(decoded.frame)}`
  if (tag !== undefined) return `tag ${tag.epc} antenna ${tag.antenna} ${tag.rssiDbm} dBm`
  if (error !== undefined) return `error ${error.text}`
  return `${verdict} celsius ${String(fields['celsius'])}`
}

describe('the worked example in CONTRIBUTING.md', () => {
  it('is a profile that loads, its own frames included', () => {
    const driver = load()
    expect(driver.id).toBe('example-door')
    expect(hexOf(driver.encode('start', { powerDbm: 30 }))).toBe('7E02101E30')
    expect(driver.commands.get('start')).toMatchObject({ radiates: true, needs: ['powerDbm'] })
  })

  it('decodes the recording shown there to the lines shown there, wherever it is cut', () => {
    const driver = load()
    const recording = bytesOfHex(block('hex').replaceAll('\n', ' ')) ?? new Uint8Array(0)
    for (let cut = 0; cut <= recording.length; cut++) {
      const lines: string[] = []
      const framer = driver.createFramer((decoded) => lines.push(told(decoded)))
      framer.push(recording.subarray(0, cut), 0)
      framer.push(recording.subarray(cut), 1)
      framer.flush()
      expect(lines).toEqual(block('text').split('\n'))
    }
  })
})

describe('the example in docs/profiles.md', () => {
  it('extends the profile for lines, its own frames included', () => {
    const example = /## Example: a reader that types lines\n.*?```json\n(.*?)\n```/s.exec(manual)?.[1] ?? ''
    const base: unknown = JSON.parse(readFileSync(new URL('../generic-line/profile.json', import.meta.url), 'utf8'))
    const sources = new Map<string, unknown>([
      ['generic-line', base],
      ['desk-lines', JSON.parse(example)],
    ])
    const driver = loadProfile('desk-lines', sources, { sha256 })
    expect(driver.rssi).toEqual({ unit: 'raw', calibrated: false })
    expect(driver.serial.baud).toEqual([57_600])
  })
})
