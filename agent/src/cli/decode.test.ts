import { afterEach, describe, expect, it, vi } from 'vitest'

import { runCli } from './cli.ts'
import { inputLines } from './input-lines.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** Runs one command line and keeps what it prints. */
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
  const code = await runCli(['node', 'biotrakr', 'decode', ...words])
  return { code, ...said }
}

describe('biotrakr decode --ble', () => {
  it('says format, identity and values of a payload', async () => {
    const { code, out } = await run('--ble', '--json', '1aff4c000215f7826da64fa24e988024bc5b71e0893e01020304b3')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toEqual({
      format: 'ibeacon',
      identity: 'ibeacon:f7826da6-4fa2-4e98-8024-bc5b71e0893e/258/772',
      fields: { uuid: 'f7826da6-4fa2-4e98-8024-bc5b71e0893e', major: 258, minor: 772, txPower: -77 },
    })
  })

  it('takes blanks between bytes, and prints plain lines', async () => {
    const { out } = await run('--ble', '0d 16 e1ff a1 20 45 01 aabbccddeeff')
    expect(out).toBe(
      'format: minew-a1-20\nidentity: ble:ffeeddccbbaa\nfields:\n  battery: 69\n  tamper: true\n  mac: ff:ee:dd:cc:bb:aa\nevents:\n  0:\n    event: tamper\n    value: 0\n',
    )
  })

  it('opens an encrypted payload with its key and address', async () => {
    const sealed = '0201061216d2fc41a47266c95f730011223378237214'
    const address = ['--address', '54:48:e6:8f:80:a5']
    const { out } = await run('--ble', '--json', ...address, '--key', '231d39c1d7cc1ab1aee224cd096db932', sealed)
    expect(JSON.parse(out).fields).toEqual({
      encrypted: true,
      counter: 857_870_592,
      temperature: 25.06,
      humidity: 50.55,
    })
    expect(JSON.parse((await run('--ble', '--json', sealed)).out).fields).toMatchObject({ sealed: true })
  })

  it('tries a key on an address, with or without a payload', async () => {
    const words = ['--ble', '--json', '--address', '7081940dfbaa', '--irk', 'ec0234a357c8ad05341010a60a397d9b']
    expect(JSON.parse((await run(...words, '')).out)).toEqual({
      format: 'rpa',
      fields: { resolves: true, hash: '0dfbaa' },
    })
    expect(JSON.parse((await run(...words, '0e166afe05f4250a01414243444546')).out)).toMatchObject({
      format: 'kontakt-location',
      rpa: { resolves: true },
    })
  })

  it.each([
    ['', 'empty'],
    ['020106', 'no format that is known'],
    ['0201061aff4c000215', 'length beyond the end'],
    ['0x12', 'is not whole bytes in hex'],
  ])('says of "%s" that it is not decoded, and why', async (payload, why) => {
    const { code, out } = await run('--ble', '--json', payload)
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ format: null, why })
  })

  it.each([
    [['00'], 'no kind of payload'],
    [['--ble', '--key', '12', '00'], '--key is not 16 bytes in hex'],
    [['--ble', '--address', 'c3:00', '00'], '--address is not 6 bytes in hex'],
  ])('refuses %j', async (words, message) => {
    const { code, err } = await run(...words)
    expect(code).toBe(2)
    expect(err).toContain(message)
  })
})

describe('lines of standard input', () => {
  async function linesOf(...chunks: string[]): Promise<(string | undefined)[]> {
    async function* stream() {
      yield* chunks
    }
    const lines: (string | undefined)[] = []
    for await (const line of inputLines(stream())) lines.push(line)
    return lines
  }

  it('come whole from any pieces, without the empty ones', async () => {
    expect(await linesOf('02', '01\n\n06\n', '', '07')).toEqual(['0201', '06', '07'])
  })

  it('that are too long are named but not held', async () => {
    const long = '00'.repeat(3_000)
    expect(await linesOf(long, long, `${long}\n01\n`, long, long)).toEqual([undefined, '01', undefined])
  })
})
