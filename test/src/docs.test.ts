import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { productRoot } from '@biotrakr/embedded'
import { describe, expect, it } from 'vitest'

const textOf = (path: string) => readFileSync(join(productRoot, path), 'utf8')

/** Sources of a folder, tests and what is generated left out. */
function sources(folder: string): string[] {
  return readdirSync(join(productRoot, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !/\.test\.ts$|(^|\/)generated\//.test(path))
    .map((path) => textOf(join(folder, path)))
}

const operate = textOf('docs/operate.md')
const explained = new Set([...operate.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code))

describe('docs/operate.md', () => {
  it('explains every error code there is', () => {
    const declared = /export type ErrorCode =([\s\S]*?)\n\n/.exec(textOf('shared/src/errors.ts'))?.[1] ?? ''
    const codes = [...declared.matchAll(/'([A-Z_]+)'/g)].map(([, code]) => code)
    expect(codes.length).toBeGreaterThan(50)
    expect(codes.filter((code) => !explained.has(code))).toEqual([])
  })

  it('explains every problem that the health of a gateway can name, and every reason of the quarantine', () => {
    const health = [textOf('agent/src/health.ts'), textOf('agent/src/masked-health.ts')].join('\n')
    const codes = [...health.matchAll(/code: '([A-Z_]+)'/g)].map(([, code]) => code)
    const kept = [...sources('cloud/src/record'), ...sources('cloud/src/ingest'), ...sources('shared/src')].join('\n')
    const reasons = kept.match(/(?<=')(?:WIRE|TAG|ROOM|TIME|KIND|VALUE|STORE|FOREIGN)_[A-Z_]+(?=')/g) ?? []
    expect(codes.length).toBeGreaterThan(5)
    expect(reasons.length).toBeGreaterThan(10)
    const enrolment = new Set(['STORE_MISMATCH'])
    expect([...codes, ...reasons].filter((code = '') => !explained.has(code) && !enrolment.has(code))).toEqual([])
  })
})

const guides = ['docs/install.md', 'docs/operate.md', 'docs/security.md', 'SECURITY.md']
const commands = [...sources('agent/src/cli'), ...sources('cloud/src/cli')].join('\n')
const known = new Set([...commands.matchAll(/\.command\('([a-z-]+)/g)].map(([, word]) => word))
const options = new Set([...commands.matchAll(/'(?:-\w, )?(--[a-z-]+)/g)].map(([, word]) => word))

/** What of a line that names one of our programs is not there. */
function wrongIn(line: string): string[] {
  const [, first = ''] = line.replace(/^biotrakr (?=biotrakr )/, '').split(' ')
  if (!/^[a-z][a-z-]*$/.test(first)) return []
  if (!known.has(first)) return [line]
  return (line.match(/--[a-z-]+/g) ?? []).filter((option) => !options.has(option))
}

describe('the guides', () => {
  it.each(guides)('%s names only commands and options that there are', (guide) => {
    const lines = [...textOf(guide).matchAll(/(?:^|`| )(biotrakr(?:-cloud)?(?: [^`\n|]*)?)/gm)]
    expect(lines.flatMap(([, line = '']) => wrongIn(line))).toEqual([])
  })

  it.each(guides)('%s names only files that are there', (guide) => {
    const paths = [...textOf(guide).matchAll(/`((?:docs|systemd|agent|cloud|shared)\/[\w./@-]+)`/g)]
    expect(paths.filter(([, path = '']) => !existsSync(join(productRoot, path)))).toEqual([])
  })
})
