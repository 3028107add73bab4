import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeAll, driverOf, join, plainOf, readCaptures, readProfiles, sha256 } from './profiles-on-disk.ts'
import type { Driver, Params } from './src/driver.ts'
import { hexOf, knownHex } from './src/hex.ts'
import { checkProfile } from './src/load.ts'

const profiles = readProfiles()

/** Frames of the reader that the profile itself vouches for. */
function replies(driver: Driver): Uint8Array[] {
  return driver.document.golden.filter(({ direction }) => direction !== 'command').map(({ hex }) => knownHex(hex))
}

function texts(driver: Driver, ...pieces: readonly Uint8Array[]): string[] {
  return decodeAll(driver, ...pieces).map((decoded) => `${decoded.verdict} ${hexOf(decoded.frame)}`)
}

/** A value for every parameter a command needs. */
function sampleParams(driver: Driver, needs: readonly string[]): Params {
  const { limits, document } = driver
  const given: Record<string, Params[string]> = {
    region: [...limits.regions.keys()][0] ?? '',
    powerDbm: limits.powerDbm?.max ?? 0,
    antennas: [1],
    address: 0,
    baud: document.serial.baud[0] ?? 0,
  }
  return Object.fromEntries(needs.map((name) => [name, given[name] ?? document.parameters?.[name]?.min ?? '00']))
}

it('profiles are found on disk', () => {
  expect(profiles.size).toBeGreaterThan(0)
})

describe.each([...profiles.keys()])('profile %s', (id) => {
  it('has the right shape, names what is there, decodes its golden frames and refuses its reject frames', () => {
    expect(checkProfile(id, profiles, { sha256 }).problems).toEqual([])
  })

  const { driver } = checkProfile(id, profiles, { sha256 })
  if (driver === undefined) return
  const isLine = driver.document.framing.kind === 'line' || driver.document.framing.kind === 'jsonLine'

  it('gives what its captures say', () => {
    const captures = readCaptures(id)
    expect(captures.length).toBeGreaterThan(0)
    for (const { name, input, expected } of captures) {
      expect({ name, decoded: decodeAll(driver, input).map(plainOf) }).toEqual({ name, decoded: expected })
    }
  })

  it('gives the same wherever the bytes are cut', () => {
    const stream = join([...replies(driver), ...readCaptures(id).map(({ input }) => input)])
    const whole = texts(driver, stream)
    for (let at = 0; at <= stream.length; at++) {
      expect(texts(driver, stream.subarray(0, at), stream.subarray(at))).toEqual(whole)
    }
    expect(texts(driver, ...Array.from(stream, (byte) => Uint8Array.of(byte)))).toEqual(whole)
  })

  it('loses no frame but the one with a flipped byte', () => {
    const frames = replies(driver)
    const stream = join(frames)
    const owner = frames.flatMap((frame, n) => Array<number>(frame.length).fill(n))
    for (let at = 0; at < stream.length; at++) {
      const damaged = stream.slice()
      damaged[at] = (damaged[at] ?? 0) ^ (1 + (at % 255))
      const found = texts(driver, damaged).filter((text) => !text.startsWith('garbage'))
      const own = owner[at] ?? 0
      // A line's end parts it from the next one: losing it costs both.
      const lost = new Set(isLine ? [own, own + 1] : [own])
      const wanted = texts(driver, join(frames.filter((_frame, n) => !lost.has(n))))
      let next = 0
      for (const text of found) if (text === wanted[next]) next += 1
      expect({ at, found: next }).toEqual({ at, found: wanted.length })
    }
  })

  it('takes any bytes, keeps count of every one and holds no more than a frame', () => {
    const pieces = replies(driver)
    const noise = fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(...pieces)), { maxLength: 30 })
    fc.assert(
      fc.property(noise, (parts) => {
        const stream = join(parts)
        const found = decodeAll(driver, ...parts)
        const longest = Math.max(0, ...found.map(({ frame }) => frame.length))
        if (longest > driver.maxFrame) throw new Error(`${longest} bytes in one piece`)
        const told = found.reduce((bytes, { frame }) => bytes + frame.length, 0)
        if (told > stream.length) throw new Error(`${told} bytes told of ${stream.length}`)
      }),
      { numRuns: 2_000 },
    )
  })

  it('tells every command it can send from the others', () => {
    for (const { name, needs } of driver.commands.values()) {
      const spec = driver.document.commands[name]
      if (spec?.raw === true || spec?.preamble !== undefined) continue
      const params = sampleParams(driver, needs)
      for (let layout = 0; layout < driver.layouts; layout++) {
        const frame = driver.encode(name, params, { layout })
        const received = driver.reader.decodeCommand(frame)
        expect(received).toMatchObject({ command: name, params })
        // Of CR LF the first ends the line.
        if (!isLine) expect(received?.frame).toEqual(frame)
      }
    }
  })

  it('answers its own commands with replies it recognises', () => {
    for (const { name, needs } of driver.commands.values()) {
      const spec = driver.document.commands[name]
      if (spec?.answer === undefined || spec.raw === true || spec.preamble !== undefined) continue
      const received = driver.reader.decodeCommand(driver.encode(name, sampleParams(driver, needs)))
      if (received === undefined) throw new Error(`${name} is not understood`)
      const answers = driver.reader.answer(received).map((frame) => driver.decode(frame))
      const always = spec.answer.filter(({ when }) => when === undefined)
      expect(answers.map(({ message }) => message)).toEqual(always.map(({ message }) => message))
      if (spec.expect === undefined || always.length === 0) continue
      expect({ name, matches: answers.map((reply) => driver.matches(name, reply)) }).not.toEqual({
        name,
        matches: answers.map(() => 'other'),
      })
    }
  })

  it('writes the tag reports that it reads', () => {
    for (const decoded of replies(driver).map((frame) => driver.decode(frame))) {
      if (decoded.tags.length === 0) continue
      const { message, layout, fields: values } = decoded
      const written = driver.decode(driver.reader.encodeTags(decoded.tags, { message, layout, values }))
      expect(written).toMatchObject({ message, layout, tags: decoded.tags })
    }
  })
})

describe('a driver of a profile on disk', () => {
  it('has the fingerprint of its content, whatever the order of members', () => {
    const document = profiles.get('magicrf-r200')
    if (typeof document !== 'object' || document === null) throw new Error('no profile')
    const turned = Object.fromEntries(Object.entries(document).reverse())
    const { driver } = checkProfile('magicrf-r200', new Map([['magicrf-r200', turned]]), { sha256 })
    expect(driver?.fingerprint).toBe(driverOf('magicrf-r200').fingerprint)
    expect(driver?.fingerprint).toMatch(/^[0-9a-f]{64}$/)
  })
})
