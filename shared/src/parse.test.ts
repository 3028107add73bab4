import { describe, expect, it } from 'vitest'
import { z } from 'zod'

import { BioTrakrError } from './errors.ts'
import { parseWhole } from './parse.ts'

const schema = z.strictObject({
  gateway: z.string().min(3),
  broker: z.strictObject({ port: z.int().max(65_535) }),
  readers: z.array(z.strictObject({ url: z.string() })).default([]),
})
const origin = { origin: '/etc/biotrakr/config.yaml', code: 'CONFIG_INVALID', next: 'Correct the file.' } as const

function problemsOf(value: unknown): BioTrakrError {
  try {
    parseWhole(schema, value, origin)
  } catch (error) {
    if (error instanceof BioTrakrError) return error
    throw error
  }
  throw new BioTrakrError('the document was taken', { code: 'USAGE', next: '' })
}

describe('parseWhole', () => {
  it('gives the document with its defaults', () => {
    const value = { gateway: 'ward-3', broker: { port: 1883 } }
    expect(parseWhole(schema, value, origin)).toEqual({ ...value, readers: [] })
  })

  it('reports every problem at once, each with its path, and names unknown keys', () => {
    const error = problemsOf({
      gateway: 'w',
      broker: { port: 70_000, prot: 1 },
      readers: [{ url: 'tcp://a' }, { url: 5, baud: 1, parity: 'n' }],
      colour: 'red',
    })
    const lines = error.message.split('\n')
    expect(lines[0]).toBe('/etc/biotrakr/config.yaml has 7 problems:')
    expect(
      lines
        .slice(1)
        .map((line) => line.split(': ')[0]?.trim())
        .sort(),
    ).toEqual([
      'broker.port',
      'broker.prot',
      'colour',
      'gateway',
      'readers[1].baud',
      'readers[1].parity',
      'readers[1].url',
    ])
    expect(lines).toContain('  broker.prot: unknown key; check the spelling or remove it')
    expect([error.code, error.next]).toEqual(['CONFIG_INVALID', 'Correct the file.'])
  })

  it.each([undefined, null, 'text', []])('refuses %j as a whole', (value) => {
    const error = problemsOf(value)
    expect(error.message).toMatch(/^\/etc\/biotrakr\/config\.yaml has 1 problem:\n {2}\(whole document\): /)
  })
})
