import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, describe, expect, it } from 'vitest'

import { textLines } from './text-lines.ts'

const folder = mkdtempSync(join(tmpdir(), 'biotrakr-lines-'))
const file = join(folder, 'text')
afterAll(() => rmSync(folder, { recursive: true }))

function linesOf(content: string | Uint8Array) {
  writeFileSync(file, content)
  return [...textLines(file)]
}

describe('lines of a text file', () => {
  it('end with LF or CRLF and are numbered from 1, empty ones too', () => {
    expect(linesOf('\uFEFFa\r\n\nb\nc')).toEqual([
      { number: 1, text: 'a' },
      { number: 2, text: '' },
      { number: 3, text: 'b' },
      { number: 4, text: 'c' },
    ])
    expect(linesOf('')).toEqual([])
    expect(linesOf('a\n')).toEqual([{ number: 1, text: 'a' }])
  })

  it('survive being cut anywhere by the read buffer, inside a character too', () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `${i} é🏥`)
    expect(linesOf(lines.join('\r\n')).map(({ text }) => text)).toEqual(lines)
  })

  it('are let go when too long, and the next line is whole again', () => {
    const [first, second, third] = linesOf(`a\n${'x'.repeat(200_000)}\nb`)
    expect([first?.text, second?.text, third?.text]).toEqual(['a', undefined, 'b'])
    expect(linesOf('y'.repeat(300_000))).toEqual([{ number: 1, text: undefined }])
  })

  it('are read from bytes that are not UTF-8 without a throw', () => {
    expect(linesOf(Uint8Array.of(0xff, 0x0a, 0xc3))).toHaveLength(2)
  })
})
