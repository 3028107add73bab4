import { once } from 'node:events'

import { createReadings } from '@biotrakr/agent'
import { type Driver, type TagReport, tagIdOfReport } from '@biotrakr/firmware-profiles'
import { encodeEpc, type ReceiverId, type TagId } from '@biotrakr/shared'
import { PacketLengthParser } from '@serialport/parser-packet-length'

import { seeded } from '../fuzz/chance.ts'
import { randomTag } from '../fuzz/frames.ts'

export const FRAMES = 20_000
/** As a USB serial adapter hands bytes on. */
const CHUNK_BYTES = 62

/** Frames of a reader, one tag in each, as they come from a port. */
export interface Load {
  readonly chunks: readonly Uint8Array[]
  /** What the frames report, and so what the site follows. */
  readonly tags: ReadonlySet<TagId>
}

/** `FRAMES` frames in which `tags` different tags take turns. */
export function tagLoad(driver: Driver, tags: number): Load {
  const random = seeded(tags)
  const reports = Array.from({ length: tags }, (_, n) => ({ ...randomTag(driver, random), ...hospitalEpc(driver, n) }))
  const frames = Array.from({ length: FRAMES }, (_, n) =>
    driver.reader.encodeTags(reports.slice(n % tags, (n % tags) + 1)),
  )
  const bytes = Buffer.concat(frames)
  const chunks = Array.from({ length: Math.ceil(bytes.length / CHUNK_BYTES) }, (_, n) =>
    bytes.subarray(n * CHUNK_BYTES, (n + 1) * CHUNK_BYTES),
  )
  return { chunks, tags: new Set(reports.flatMap((report) => tagIdOfReport(report) ?? [])) }
}

function hospitalEpc({ tagKind }: Driver, n: number): Partial<TagReport> {
  const encoded = tagKind === 'epc' ? encodeEpc(`urn:epc:id:giai:0614141.${30_000 + n}`) : undefined
  return encoded?.ok ? { epc: encoded.hex.toUpperCase() } : {}
}

/** Takes a load `passes` times. */
export type Take = (load: Load, passes: number) => Promise<void> | void

/** As the gateway does it: framing, checks, what the message says, who the tag is, whether the site follows it, a reading. */
export function createOurs(driver: Driver, allow: ReadonlySet<TagId>): Take {
  const receivers = new Map([[1, 'bed/1' as ReceiverId]])
  const readings = createReadings({ driver, receivers, allow, tagOf: tagIdOfReport })
  let sum = 0
  const framer = driver.createFramer((decoded) => {
    for (const report of decoded.tags) {
      const reading = readings.from(report, 0)
      // V8 puts a text together only when it is looked at.
      sum += (reading?.tag.charCodeAt(reading.tag.length - 1) ?? Number.NaN) + (reading?.rssiDbm ?? 0)
    }
  })
  return ({ chunks }, passes) => {
    const wanted = readings.counts.readings + passes * FRAMES
    for (let pass = 0; pass < passes; pass++) for (const chunk of chunks) framer.push(chunk, 0)
    const { readings: made } = readings.counts
    if (made !== wanted || Number.isNaN(sum)) throw new Error(`${driver.id}: ${made} readings instead of ${wanted}`)
  }
}

type Settings = NonNullable<ConstructorParameters<typeof PacketLengthParser>[0]>

/**
 * The other parser set up for a profile's frames; undefined when it cannot be: it knows one start byte and a length of one
 * byte.
 */
export function createTheirs({ document: { framing } }: Driver): Take | undefined {
  const [layout] = framing.kind === 'length' ? framing.layouts : []
  if (layout?.length === undefined || layout.start?.replaceAll(' ', '').length !== 2) return undefined
  const { at, size, endian, overhead } = layout.length
  // It knows only little endian; these frames are shorter than 256 bytes, so that the low byte says it all.
  const lengthOffset = size === 2 && endian !== 'little' ? at + 1 : at
  const delimiter = Number.parseInt(layout.start, 16)
  return (load, passes) => cutAll({ delimiter, lengthOffset, lengthBytes: 1, packetOverhead: overhead }, load, passes)
}

async function cutAll(settings: Settings, { chunks }: Load, passes: number): Promise<void> {
  for (let pass = 0; pass < passes; pass++) {
    const parser = new PacketLengthParser(settings)
    let frames = 0
    parser.on('data', () => {
      frames += 1
    })
    for (const chunk of chunks) parser.write(chunk)
    parser.end()
    await once(parser, 'end')
    if (frames < FRAMES) throw new Error(`parser-packet-length cut ${frames} of ${FRAMES} frames`)
  }
}
