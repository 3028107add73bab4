import { afterEach, describe, expect, it, vi } from 'vitest'

import { runCli } from './cli.ts'
import { createHexReader } from './decode-profile.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

async function run(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' }
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said.out += text
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said.err += text
    return true
  })
  const code = await runCli(['node', 'biotrakr', ...words])
  return { code, ...said }
}

describe('biotrakr decode --profile', () => {
  it('tells each frame of a stream on a line, garbage with its reason', async () => {
    const { code, out } = await run('decode', '--profile', 'thingmagic-mercury', '--json', '00 ff0022040084e0')
    expect(code).toBe(0)
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { verdict: 'garbage', frame: '00', tags: [], why: 'no frame starts here' },
      { verdict: 'keepalive', frame: 'ff0022040084e0', tags: [] },
    ])
  })

  it('takes hex cut between the digits of a byte, and refuses what is no hex', () => {
    const read = createHexReader()
    expect([...read('f'), ...read('f 0'), ...read('1\n')]).toEqual([0xff, 0x01])
    expect(() => read('0x')).toThrow('is no hex digit')
  })

  it('refuses a profile that is not there', async () => {
    expect(await run('decode', '--profile', 'no-such-reader', '00')).toMatchObject({ code: 2 })
  })
})

describe('biotrakr decode --epc', () => {
  it('says scheme and URIs', async () => {
    const { out } = await run('decode', '--epc', '--json', '3066C4409047E140075BCD15')
    expect(JSON.parse(out)).toMatchObject({ scheme: 'SGTIN-96', personal: false })
  })

  it('ends with code 2 for what is no EPC', async () => {
    const { code, out } = await run('decode', '--epc', '--json', '303C83F1B7DD441678901234')
    expect(code).toBe(2)
    expect(Object.keys(JSON.parse(out))).toEqual(['error'])
  })
})

describe('biotrakr profiles', () => {
  it('finds nothing wrong with those that come with the product', async () => {
    const { code, out } = await run('profiles', 'check')
    expect(out).not.toContain('problem')
    expect(code).toBe(0)
  })

  it('shows what a reader needs to be told', async () => {
    expect((await run('profiles', 'show', 'magicrf-r200')).out).toContain('setPower (needs powerDbm)')
  })
})

describe('biotrakr simulate reader', () => {
  it.each([
    [['--profile', 'rdm6300']],
    [['--profile', 'rdm6300', '--listen', 'udp://127.0.0.1:1']],
    [['--profile', 'rdm6300', '--listen', 'tcp://127.0.0.1:0', '--rate', '9999']],
  ])('refuses %j', async (words) => {
    expect((await run('simulate', 'reader', ...words)).code).toBe(2)
  })
})
