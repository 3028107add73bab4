import { readFileSync } from 'node:fs'

import { createRecogniser, decodeAdvertPayload, nodeAes } from '@biotrakr/agent'
import { ibeaconTag } from '@biotrakr/shared'
import advlib from 'advlib'
import advlibBle from 'advlib-ble'
import advlibManufacturers from 'advlib-ble-manufacturers'
import advlibServices from 'advlib-ble-services'

import { type Figure, median, perSecond } from './figure.ts'

const ROUNDS = 3_000
const PHONES = 100_000
const MEGABYTE = 1_048_576

const processors = [
  { processor: advlibBle, libraries: [advlibServices, advlibManufacturers], options: { isPayloadOnly: true } },
]

/** Decoding against advlib on the published frames that both decode, and recognition among a crowd of phones. */
export function benchBle(): Figure[] {
  const frames = commonFrames()
  const { ours, theirs, times } = sideBySide(
    () => repeat(frames, (frame) => decodeAdvertPayload(frame)),
    () => repeat(frames, (frame) => advlib.process(frame, processors)),
  )
  const group = `ble (${frames.length} published frames that advlib decodes too)`
  return [
    { group, name: 'decode', value: ours, unit: 'adverts/s' },
    { group, name: 'decode by advlib', value: theirs, unit: 'adverts/s' },
    { group, name: 'decode, times advlib', value: times, unit: 'x', goal: { atLeast: 8 } },
    { group: 'ble recognition', name: 'mixed ward', value: recognitions(), unit: 'adverts/s' },
    phoneMemory(),
  ]
}

/** In turns, so that whatever else the machine does slows both down alike; the median of each, and of their ratios. */
function sideBySide(ours: () => number, theirs: () => number): { ours: number; theirs: number; times: number } {
  const rounds = Array.from({ length: 9 }, () => {
    const once = { runs: 1, warmUp: 1 }
    return { ours: perSecond(ours, once), theirs: perSecond(theirs, once) }
  })
  return {
    ours: median(rounds.map((round) => round.ours)),
    theirs: median(rounds.map((round) => round.theirs)),
    times: median(rounds.map((round) => round.ours / round.theirs)),
  }
}

function commonFrames(): Buffer[] {
  const file = new URL('../../agent/src/decode/ble-vectors.json', import.meta.url)
  const { vectors }: { vectors: { ad_hex: string; format: string; verified: string[] }[] } = JSON.parse(
    readFileSync(file, 'utf8'),
  )
  return vectors
    .filter(({ verified }) => verified.some((by) => by.startsWith('advlib')))
    .map(({ ad_hex }) => Buffer.from(ad_hex, 'hex'))
}

function repeat(frames: readonly Buffer[], decode: (frame: Buffer) => unknown): number {
  for (let round = 0; round < ROUNDS; round++) for (const frame of frames) decode(frame)
  return ROUNDS * frames.length
}

const PHONE = Buffer.from('02011a0bff4c001006031a3aeb1e5a', 'hex')

/** A tenth are own beacons, the rest phones with private addresses; ten keys are tried on each new one. */
function recognitions(): number {
  const uuid = 'b5b182c7-eab1-4988-aa99-b5c1517008d9'
  const own = ibeaconTag(uuid, 1, 53_092)
  const beacon = Buffer.from('0201061aff4c000215b5b182c7eab14988aa99b5c1517008d90001cf64c5', 'hex')
  const recogniser = createRecogniser({
    allow: { has: (tag) => tag === own },
    irks: Array.from({ length: 10 }, (_, index) => ({ tag: own ?? raise(), irk: Buffer.alloc(16, index + 1) })),
    aes: nodeAes,
    random: Math.random,
  })
  return perSecond(() => {
    for (let index = 0; index < PHONES; index++) {
      const address = privateAddress(index % 500)
      const payload = index % 10 === 0 ? beacon : PHONE
      recogniser.recognise({ address, addressType: 'random', payload }, index)
    }
    return PHONES
  })
}

/** 100,000 phones that pass by once: how much of them stays in memory. */
function phoneMemory(): Figure {
  const recogniser = createRecogniser({ allow: new Set(), aes: nodeAes, random: Math.random })
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  for (let index = 0; index < PHONES; index++) {
    recogniser.recognise({ address: privateAddress(index), addressType: 'random', payload: PHONE }, index)
  }
  globalThis.gc?.()
  const grown = Math.max(0, process.memoryUsage().heapUsed - before) / MEGABYTE
  const remembered = recogniser.unknown().devices
  const group = `ble recognition, ${PHONES.toLocaleString('en')} addresses, ${remembered} remembered`
  return { group, name: 'heap growth', value: grown, unit: 'MB', goal: { atMost: 10 } }
}

function privateAddress(index: number): Buffer {
  const address = Buffer.alloc(6, 0x41)
  address.writeUInt32BE(index, 2)
  return address
}

function raise(): never {
  throw new Error('the beacon has no identity')
}
