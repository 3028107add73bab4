import { readFileSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import { driverOf, readCaptures } from './profiles-on-disk.ts'
import { knownHex } from './src/hex.ts'

/** Frames of public sources, their checks computed again by hand-written scripts, and what a reader's driver does with them. */
interface Verified {
  readonly protocol: string
  /** Profiles between which the protocol's frames are divided. */
  readonly profiles: readonly string[]
  readonly replies?: readonly string[]
  readonly commands?: readonly string[]
  /** Errors of documents, and frames made up to be refused. */
  readonly refused?: readonly string[]
}

const file = readFileSync(new URL('verified-frames.json', import.meta.url), 'utf8')
const { protocols } = JSON.parse(file) as { readonly protocols: readonly Verified[] }

describe('verified frames', () => {
  it('are all there: none is left out in silence', () => {
    const counts = protocols.map(({ protocol, replies = [], commands = [], refused = [] }) => [
      protocol,
      new Set([...replies, ...commands, ...refused]).size,
    ])
    expect(Object.fromEntries(counts)).toEqual({
      mercury: 36,
      uhfreader: 32,
      'cf-prime': 3,
      r200: 23,
      invelion: 12,
      'gexin-5a': 2,
      pn532: 7,
      rdm6300: 2,
      id12: 1,
      twn3: 2,
      'twn4-simple': 2,
    })
  })
})

describe.each(protocols)('verified frames of $protocol', ({ profiles, replies = [], commands = [], refused = [] }) => {
  const drivers = profiles.map(driverOf)

  it('are replies that a profile decodes to a message of its own', () => {
    const unread = replies.filter((hex) => drivers.every((driver) => driver.decode(knownHex(hex)).message === ''))
    expect(unread).toEqual([])
  })

  it('are commands that a profile knows', () => {
    const unknown = commands.filter((hex) =>
      drivers.every((driver) => (driver.reader.decodeCommand(knownHex(hex))?.command ?? null) === null),
    )
    expect(unknown).toEqual([])
  })

  it('are refused by every profile where they are wrong', () => {
    const taken = refused.filter((hex) =>
      drivers.some(
        (driver) =>
          driver.decode(knownHex(hex)).verdict !== 'garbage' ||
          (driver.reader.decodeCommand(knownHex(hex))?.command ?? null) !== null,
      ),
    )
    expect(taken).toEqual([])
  })

  it('stand in the profiles with what they say: as golden, reject or captured frames', () => {
    const told = profiles.flatMap((id) => {
      const { golden, reject } = driverOf(id).document
      const captured = readCaptures(id).map(({ input }) => Buffer.from(input).toString('hex'))
      return [...golden, ...reject].map(({ hex }) => hex.replaceAll(' ', '').toLowerCase()).concat(captured)
    })
    const all = [...replies, ...commands, ...refused].map((hex) => hex.replaceAll(' ', '').toLowerCase())
    expect(all.filter((hex) => !told.some((text) => text.includes(hex)))).toEqual([])
  })
})
