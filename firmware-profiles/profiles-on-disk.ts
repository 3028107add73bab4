import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'

import type { Decoded, Driver } from './src/driver.ts'
import { hexOf, knownHex } from './src/hex.ts'
import { loadProfile } from './src/load.ts'

const root = new URL('./', import.meta.url)

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Every profile on disk by its id, but for those of built-in drivers (LLRP). */
export function readProfiles(): Map<string, unknown> {
  const profiles = new Map<string, unknown>()
  for (const { name } of readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
    const file = new URL(`${name}/profile.json`, root)
    if (!existsSync(file)) continue
    const document: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof document === 'object' && document !== null && !('driver' in document)) profiles.set(name, document)
  }
  return profiles
}

export function driverOf(id: string): Driver {
  return loadProfile(id, readProfiles(), { sha256 })
}

export interface Capture {
  readonly name: string
  readonly input: Uint8Array
  readonly expected: unknown
}

/** The recorded cases of a profile: `input.hex` may have blanks and line breaks anywhere, and # comments. */
export function readCaptures(id: string): Capture[] {
  const folder = new URL(`${id}/captures/`, root)
  if (!existsSync(folder)) return []
  return readdirSync(folder).map((name) => {
    const text = readFileSync(new URL(`${name}/input.hex`, folder), 'utf8').replace(/#.*$/gm, '')
    const expected: unknown = JSON.parse(readFileSync(new URL(`${name}/expected.json`, folder), 'utf8'))
    return { name, input: knownHex(text.replace(/\s/g, '')), expected }
  })
}

/** A decoded frame as captures write it: what is empty is left out. */
export function plainOf({ verdict, frame, tags, fields, why }: Decoded): unknown {
  return {
    verdict,
    frame: hexOf(frame),
    ...(tags.length === 0 ? {} : { tags: [...tags] }),
    ...(Object.keys(fields).length === 0 ? {} : { fields }),
    ...(why === undefined ? {} : { why }),
  }
}

/** Everything that comes out of a stream that arrives in these pieces, at once. */
export function decodeAll(driver: Driver, ...pieces: readonly Uint8Array[]): Decoded[] {
  const found: Decoded[] = []
  const framer = driver.createFramer((decoded) => found.push(decoded))
  for (const piece of pieces) framer.push(piece, 0)
  framer.flush()
  return found
}

export function join(frames: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(frames.flatMap((frame) => [...frame]))
}
