import { readFileSync } from 'node:fs'

import advlib from 'advlib'
import advlibBle from 'advlib-ble'
import advlibManufacturers from 'advlib-ble-manufacturers'
import advlibServices from 'advlib-ble-services'
import { describe, expect, it } from 'vitest'
import { type DescribeOptions, describeAdvert } from './decode/describe.ts'
import type { Fields } from './decode/frame.ts'
import { nodeAes } from './node-crypto-port.ts'

interface Vector {
  readonly id: string
  readonly format: string
  readonly ad_hex: string
  readonly expected: Readonly<Record<string, unknown>>
  readonly address?: string
  readonly key?: string
  readonly irk?: string
}

const file = new URL('./decode/ble-vectors.json', import.meta.url)
const vectors: readonly Vector[] = JSON.parse(readFileSync(file, 'utf8')).vectors
const named = vectors.map((vector) => [vector.id, vector] as const)

const bytesOf = (digits: string) => Buffer.from(digits.replaceAll(':', ''), 'hex')

function optionsOf({ address, key, irk }: Vector): DescribeOptions {
  return {
    aes: nodeAes,
    ...(address && { address: bytesOf(address) }),
    ...(key && { key: bytesOf(key) }),
    ...(irk && { irk: bytesOf(irk) }),
  }
}

describe('a published frame', () => {
  it.each(named)('%s says what was published', (_, vector) => {
    const described = describeAdvert(bytesOf(vector.ad_hex), optionsOf(vector))
    expect(described.format).toBe(vector.format.startsWith('malformed') ? null : vector.format)
    expect(described.fields).toMatchObject(vector.expected)
    if (described.format === null) expect(described.why).toBeTruthy()
  })

  it.each(named)('%s cut short anywhere becomes nothing else', (_, vector) => {
    const bytes = bytesOf(vector.ad_hex)
    const whole = describeAdvert(bytes, optionsOf(vector))
    for (let length = 1; length < bytes.length; length++) {
      const cut = describeAdvert(bytes.subarray(0, length), optionsOf(vector))
      if (cut.format !== null) expect(cut.format).toBe(whole.format)
      if (cut.identity !== undefined) expect(cut.identity).toBe(whole.identity)
    }
  })

  it.each(named)('%s with any byte changed gives an answer', (_, vector) => {
    const bytes = bytesOf(vector.ad_hex)
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0x00, 0x7f, 0x80, 0xff]) {
        const changed = Buffer.from(bytes)
        changed[at] = value
        expect(describeAdvert(changed, optionsOf(vector)).format).not.toBe(undefined)
      }
    }
  })
})

/** advlib's names for what both decode, and its unit where that is another one. */
const NAMES: readonly (readonly [string, keyof Fields, number])[] = [
  ['temperature', 'temperature', 1],
  ['relativeHumidity', 'humidity', 1],
  ['batteryPercentage', 'battery', 1],
  ['batteryVoltage', 'batteryMv', 1000],
  ['acceleration', 'accG', 1],
  ['txCount', 'advCount', 1],
  ['pressure', 'pressurePa', 1],
]

/** Data of advlib's own tests (MIT), for formats of which no other frame is published: service or company, then data. */
const MORE = [
  ['moko', 'ff', '620a02150900f15427e0304f16031e0d3a190e0a00000000b0'],
  ['efento-v2', 'ff', '6c020205090100002c07803c0001020645c1003d0e8000005d5d'],
  ['efento-v4', 'ff', '6c02040145c102003d0327955d5d'],
  ['minew-s3', 'ff', '3906a30364197348466745233123ac007ad3'],
  ['minew-v3-00', 'ff', '3906ca006745233123ac6421870000000000000000001234abcd'],
  ['minew-v3-03', 'ff', '3906ca030300050005ff0421643a7ac951'],
  ['minew-v3-05', 'ff', '3906ca05000000197348466d696e65770000000000001234abcd'],
  ['hpe-open-locate', '16', '94fd094472030011223344550a73657269616c23313233850168706507'],
].map(([format = '', type = '', data = '']) => {
  const length = (data.length / 2 + 1).toString(16).padStart(2, '0')
  return { id: format, format, ad_hex: `${length}${type}${data}` }
})

function byAdvlib(bytes: Buffer): Record<string, unknown> {
  const processors = [
    {
      processor: advlibBle,
      libraries: [advlibServices, advlibManufacturers],
      options: { isPayloadOnly: true },
    },
  ]
  return advlib.process(bytes, processors) ?? {}
}

describe('another decoder, advlib,', () => {
  const comparable = [...vectors.filter(({ format, key }) => !/^(malformed|rpa|noise)/.test(format) && !key), ...MORE]

  it.each(comparable.map(({ id, ad_hex }) => [id, ad_hex]))('agrees about %s', (_, ad_hex) => {
    const bytes = bytesOf(ad_hex)
    const ours = describeAdvert(bytes, { aes: nodeAes })
    const fields = ours.fields as Fields
    const theirs = byAdvlib(bytes)
    for (const [name, ourName, factor] of NAMES) {
      const value = theirs[name]
      // Batteries that only say "good" or "low" are percentages there and a word here.
      if (value === undefined || (name === 'batteryPercentage' && fields.lowBattery !== undefined)) continue
      if (ours.format === 'efento-v2' && name === 'txCount') continue
      if (typeof value === 'number') expect(fields[ourName], ourName).toBeCloseTo(value * factor, 9)
      else expect(fields[ourName], ourName).toEqual(value)
    }
  })

  it.each(MORE)('has frames of $format that we decode too', ({ format, ad_hex }) => {
    expect(describeAdvert(bytesOf(ad_hex), { aes: nodeAes }).format).toBe(format)
  })
})
