import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Decoded } from './driver.ts'
import { createLlrpDecoder } from './llrp-decoded.ts'

const read = (name: string): Buffer =>
  Buffer.from(
    readFileSync(fileURLToPath(new URL(`../llrp/captures/${name}/input.hex`, import.meta.url)), 'utf8').replaceAll(
      /\s/g,
      '',
    ),
    'hex',
  )
const stream = Buffer.concat(['events', 'nine-reports', 'long-epc', 'impinj-answers'].map(read))
const refused = Buffer.from('041f00000012000000030' + '11f0008012d0000', 'hex')

function decode(chunks: readonly Uint8Array[], { flush = false } = {}) {
  const all: Decoded[] = []
  const decoder = createLlrpDecoder((one) => all.push(one))
  for (const chunk of chunks) decoder.push(chunk, 0)
  if (flush) decoder.flush()
  return { all, decoder }
}

describe('LLRP in the terms of every profile', () => {
  it('shows tags, replies, keepalives, events and refusals', () => {
    const { all } = decode([stream, Buffer.from('043e0000000a00000007', 'hex'), refused])
    expect(all.map(({ verdict }) => verdict)).toEqual([
      ...['status', 'status', ...new Array(10).fill('tags')],
      ...['reply', 'reply', 'reply', 'reply', 'keepalive', 'error'],
    ])
    expect(all[2]?.tags).toEqual([
      expect.objectContaining({ epc: '3000ABCDEF00000000000003', antenna: 1, rssiDbm: -48 }),
    ])
    expect(all[0]?.fields).toEqual({
      version: 1,
      id: 179_472_585,
      parameters: [
        {
          parameter: 'ReaderEventNotificationData',
          parameters: [
            { parameter: 'UTCTimestamp', us: 1_398_936_810_740_479 },
            { parameter: 'ConnectionAttemptEvent', status: 0 },
          ],
        },
      ],
    })
    expect(all.at(-1)?.error).toEqual({ code: '301', text: 'a value is out of range (status 301)' })
  })

  it('shows the same however the stream is cut', () => {
    const whole = decode([stream]).all
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 40 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), stream.length]
        const { all, decoder } = decode(at.slice(1).map((to, i) => stream.subarray(at[i], to)))
        expect(all).toEqual(whole)
        expect([decoder.pending, decoder.counters.frames]).toEqual([false, whole.length])
      }),
      { numRuns: 60 },
    )
  })

  it('drops everything after garbage and after a stream that ends early, and counts it', () => {
    const junk = Buffer.from('HTTP/1.1 400 Bad Request')
    const { all, decoder } = decode([
      Buffer.concat([refused, refused.subarray(0, 4)]),
      refused.subarray(4),
      junk,
      stream,
    ])
    expect(all.map(({ verdict }) => verdict)).toEqual(['error', 'error', 'garbage'])
    expect(all[2]).toMatchObject({ message: '', frame: new Uint8Array(junk), why: expect.stringContaining('not LLRP') })
    expect(decoder.counters.bytesDropped).toBe(junk.length + stream.length)
    const short = decode([stream.subarray(0, 7)], { flush: true })
    expect(short.all).toMatchObject([{ verdict: 'garbage', frame: new Uint8Array(stream.subarray(0, 7)) }])
  })
})
