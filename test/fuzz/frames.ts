import type { Driver, TagReport } from '@biotrakr/firmware-profiles'
import type { Random } from '@biotrakr/shared'

import { below, randomBytes } from './chance.ts'

/** A tag like those in the profile's own frames, with a number of its own. */
export function randomTag(driver: Driver, random: Random): TagReport {
  const bytes = driver.tagKind === 'epc' ? 12 : uidBytes(driver)
  const band = driver.document.messages.find(({ tag }) => tag?.band !== undefined)?.tag?.band
  return {
    epc: Buffer.from(randomBytes(random, bytes)).toString('hex').toUpperCase(),
    rssiDbm: -30 - below(random, 50),
    rssiRaw: 40 + below(random, 60),
    antenna: 1,
    ...(band === undefined ? {} : { band }),
  }
}

function uidBytes({ document, decode }: Driver): number {
  const [tag] = document.golden.flatMap(({ hex, direction }) =>
    direction === 'command' ? [] : decode(bytesOf(hex)).tags,
  )
  return (tag?.epc.length ?? 10) / 2
}

/** Frames that the reader sends: those of the profile, and each of its messages that needs no values. */
export function replyFrames(driver: Driver, random: Random): Uint8Array[] {
  const { golden, messages } = driver.document
  const own = golden.filter(({ direction }) => direction !== 'command').map(({ hex }) => bytesOf(hex))
  const written = messages.flatMap(({ name, tag }) => {
    const write = () =>
      tag === undefined
        ? driver.reader.encodeMessage(name)
        : driver.reader.encodeTags([randomTag(driver, random), randomTag(driver, random)], { message: name })
    return attempt(write) ?? []
  })
  return [...own, ...written]
}

/** Frames that a host sends. */
export function commandFrames(driver: Driver): Uint8Array[] {
  const own = driver.document.golden.filter(({ direction }) => direction === 'command').map(({ hex }) => bytesOf(hex))
  const written = [...driver.commands.keys()].flatMap((name) => attempt(() => driver.encode(name)) ?? [])
  return [...own, ...written]
}

function attempt<T>(write: () => T): T | undefined {
  try {
    return write()
  } catch {
    return undefined
  }
}

function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex')
}
