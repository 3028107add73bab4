import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

import { describe, expect, it } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')
const ROWS = 58

interface Row {
  readonly number: number
  readonly text: string
  readonly tests: readonly { readonly file: string; readonly title: string }[]
}

/** A test is named by its file in backquotes and one or more titles in quotes behind it. */
const NAMED = /`([\w./-]+\.(?:test|laws)\.ts)`((?:,? "[^"]+")+)/g

function readRows(text: string): Row[] {
  return text.split('\n').flatMap((line) => {
    const number = Number(/^\| (\d+) \|/.exec(line)?.[1])
    if (Number.isNaN(number)) return []
    const tests = [...line.matchAll(NAMED)].flatMap(([, file = '', titles = '']) =>
      [...titles.matchAll(/"([^"]+)"/g)].map(([, title = '']) => ({ file, title })),
    )
    return [{ number, text: line, tests }]
  })
}

describe('docs/faults.md', () => {
  const rows = readRows(readFileSync(join(ROOT, 'docs/faults.md'), 'utf8'))

  it('has every row of the matrix once', () => {
    const numbers = rows.map(({ number }) => number).sort((a, b) => a - b)
    expect(numbers).toEqual(Array.from({ length: ROWS }, (_, i) => i + 1))
  })

  it('names a test in each row, or says that there is none yet', () => {
    for (const { number, text, tests } of rows) {
      expect(tests.length > 0 || text.includes('**Not yet**'), `row ${number}`).toBe(true)
    }
  })

  it('names tests that exist, by titles that stand in their files', () => {
    const wrong = rows.flatMap(({ number, tests }) =>
      tests.flatMap(({ file, title }) => {
        const path = join(ROOT, file)
        const isThere = existsSync(path) && readFileSync(path, 'utf8').replaceAll("\\'", "'").includes(title)
        return isThere ? [] : [`row ${number}: ${file} "${title}"`]
      }),
    )
    expect(wrong).toEqual([])
  })

  it('misses no file that it names in any other way', () => {
    const named = rows.flatMap(({ text }) => [...text.matchAll(/`([\w./-]+\.ts)`/g)].map(([, file = '']) => file))
    expect(named.filter((file) => !existsSync(join(ROOT, file)))).toEqual([])
    const withTitle = new Set(rows.flatMap(({ tests }) => tests.map(({ file }) => file)))
    expect(named.filter((file) => !withTitle.has(file))).toEqual([])
  })
})
