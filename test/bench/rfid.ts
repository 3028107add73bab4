import { once } from 'node:events'

import { openProfiles } from '@biotrakr/agent'
import { type Driver, type TagReport, tagIdOfReport } from '@biotrakr/firmware-profiles'
import { encodeEpc } from '@biotrakr/shared'
import { PacketLengthParser } from '@serialport/parser-packet-length'

import { seeded } from '../fuzz/chance.ts'
import { randomTag } from '../fuzz/frames.ts'
import { type Figure, median } from './figure.ts'

const FRAMES = 20_000
const WARM_UP_ROUNDS = 2
const TAGS = 500
const ROUNDS = 9
/** As a USB serial adapter hands bytes on. */
const CHUNK_BYTES = 62

/**
 * Tag frames of each profile through framing, checks and decoding to what a reading needs: the tag's identity, RSSI and
 * antenna. Beside it npm @serialport/parser-packet-length, which only cuts frames, on the same bytes, where it can be set up
 * for them at all: one start byte and a length of one byte. Both take turns, so that a busy machine slows both.
 */
export async function benchRfid(say: (text: string) => void): Promise<Figure[]> {
  const store = openProfiles()
  const figures: Figure[] = []
  for (const id of store.ids) {
    if (store.isBuiltIn(id)) continue
    say(id)
    figures.push(...(await benchProfile(store.load(id))))
  }
  return figures
}

async function benchProfile(driver: Driver): Promise<Figure[]> {
  const chunks = tagChunks(driver)
  const settings = packetLength(driver)
  const ours: number[] = []
  const ratios: number[] = []
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    const startMs = performance.now()
    decodeAll(driver, chunks)
    const oursMs = performance.now() - startMs
    const theirsMs = settings === undefined ? Number.NaN : await cutAll(settings, chunks)
    if (round < 0) continue
    ours.push((FRAMES * 1_000) / oursMs)
    ratios.push(theirsMs / oursMs)
  }
  const group = `RFID, ${driver.id}`
  const rate: Figure = { group, name: 'tag frames, checked and decoded', value: median(ours), unit: 'frames/s' }
  if (settings === undefined) return [rate]
  const name = 'the same, against parser-packet-length'
  return [rate, { group, name, value: median(ratios), unit: 'times', goal: { atLeast: 5 } }]
}

function tagChunks(driver: Driver): Uint8Array[] {
  const random = seeded(1)
  const tags = Array.from({ length: TAGS }, (_, n) => ({ ...randomTag(driver, random), ...hospitalEpc(driver, n) }))
  const frames = Array.from({ length: FRAMES }, (_, n) =>
    driver.reader.encodeTags(tags.slice(n % TAGS, (n % TAGS) + 1)),
  )
  const bytes = Buffer.concat(frames)
  return Array.from({ length: Math.ceil(bytes.length / CHUNK_BYTES) }, (_, n) =>
    bytes.subarray(n * CHUNK_BYTES, (n + 1) * CHUNK_BYTES),
  )
}

function hospitalEpc({ tagKind }: Driver, n: number): Partial<TagReport> {
  const encoded = tagKind === 'epc' ? encodeEpc(`urn:epc:id:giai:0614141.${30_000 + n}`) : undefined
  return encoded?.ok ? { epc: encoded.hex.toUpperCase() } : {}
}

function decodeAll(driver: Driver, chunks: readonly Uint8Array[]): void {
  let tags = 0
  let sum = 0
  const framer = driver.createFramer((decoded) => {
    for (const report of decoded.tags) {
      const { rssiDbm, rssiRaw, antenna } = report
      const id = tagIdOfReport(report)
      tags += 1
      // V8 puts a text together only when it is looked at.
      sum += (id?.charCodeAt(id.length - 1) ?? 0) + (rssiDbm ?? rssiRaw ?? 0) + (antenna ?? 0)
    }
  })
  for (const chunk of chunks) framer.push(chunk, 0)
  framer.flush()
  if (tags !== FRAMES || Number.isNaN(sum)) throw new Error(`${driver.id}: ${tags} tags of ${FRAMES} frames`)
}

type Settings = NonNullable<ConstructorParameters<typeof PacketLengthParser>[0]>

/** How the other parser is set up for a profile's frames; undefined when it cannot be. */
function packetLength({ document: { framing } }: Driver): Settings | undefined {
  const [layout] = framing.kind === 'length' ? framing.layouts : []
  if (layout?.length === undefined || layout.start?.replaceAll(' ', '').length !== 2) return undefined
  const { at, size, endian, overhead } = layout.length
  // It knows only little endian; these frames are shorter than 256 bytes, so that the low byte says it all.
  const lengthOffset = size === 2 && endian !== 'little' ? at + 1 : at
  return { delimiter: Number.parseInt(layout.start, 16), lengthOffset, lengthBytes: 1, packetOverhead: overhead }
}

async function cutAll(settings: Settings, chunks: readonly Uint8Array[]): Promise<number> {
  const parser = new PacketLengthParser(settings)
  let frames = 0
  parser.on('data', () => {
    frames += 1
  })
  const startMs = performance.now()
  for (const chunk of chunks) parser.write(chunk)
  parser.end()
  await once(parser, 'end')
  const tookMs = performance.now() - startMs
  if (frames < FRAMES) throw new Error(`parser-packet-length cut ${frames} of ${FRAMES} frames`)
  return tookMs
}
