import { decodeEpc, encodeEpc, epcIdentity, tagIdFromEpc } from '@biotrakr/shared'
import epcTds from 'epc-tds'

import { type Figure, median, perSecond } from './figure.ts'

/** Its types promise a `default` that its CommonJS module does not have. */
const rival = epcTds as unknown as typeof epcTds.default

const TAGS = 20_000
const ROUNDS = 15
/** Passes of ours for one of theirs, so that a round takes both about as long. */
const PASSES = 10
/** Makers and products of a hospital's devices: few, while every serial number is another. */
const COMPANIES = 5
const PRODUCTS = 200

/**
 * SGTIN-96, as on bought devices, to their pure identity URI, beside npm epc-tds on the same tags. Both take turns, so that
 * a busy machine slows both; each URI is read once, for V8 puts a text together only then.
 */
export function benchEpc(): Figure[] {
  const texts = fleet()
  const bytes = texts.map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')))
  const group = 'EPC, SGTIN-96'
  const others = () => texts.reduce((sum, hex) => sum + ending(rival.valueOf(hex).toIdURI()), 0)
  const rivals: readonly { name: string; work: () => number }[] = [
    { name: 'pure identity URI from hex', work: () => texts.reduce((sum, hex) => sum + ending(uriOf(hex)), 0) },
    {
      name: 'pure identity URI from bytes and PC',
      work: () => bytes.reduce((sum, epc) => sum + ending(uriOf(epc)), 0),
    },
  ]
  const compared = rivals.flatMap(({ name, work }) => {
    const { rate, ratio } = compare(work, others)
    return [
      { group, name, value: rate, unit: 'EPCs/s' },
      { group, name: `${name}, against epc-tds`, value: ratio, unit: 'times', goal: { atLeast: 10 } },
    ]
  })
  const alone = (name: string, work: (epc: Uint8Array) => string): Figure => {
    const rate = () => (bytes.reduce((sum, epc) => sum + ending(work(epc)), 0) > 0 ? TAGS : 0)
    return { group, name, value: perSecond(rate), unit: 'EPCs/s' }
  }
  return [
    {
      group,
      name: 'epc-tds, pure identity URI from hex',
      value: perSecond(() => (others() > 0 ? TAGS : 0)),
      unit: 'EPCs/s',
    },
    ...compared,
    alone('identity of the tag', (epc) => tagIdFromEpc(epc, PC)?.tag ?? ''),
    alone('all URIs', digitalLinkOf),
  ]
}

/** 96 bits follow. */
const PC = 0x3000

function fleet(): string[] {
  return Array.from({ length: TAGS }, (_, i) => {
    const product = String(10_000 + (i % PRODUCTS)).padStart(6, '0')
    const encoded = encodeEpc(
      `urn:epc:id:sgtin:${4_012_345 + (i % COMPANIES)}.${product}.${(i * 13_743_895_347) % 2 ** 38}`,
    )
    if (!encoded.ok) throw new Error(encoded.why)
    return encoded.hex
  })
}

function uriOf(epc: Uint8Array | string): string {
  const identity = typeof epc === 'string' ? epcIdentity(epc) : epcIdentity(epc, PC)
  if (!identity.ok) throw new Error(identity.why)
  return identity.pureUri
}

function digitalLinkOf(epc: Uint8Array): string {
  const decoded = decodeEpc(epc, PC)
  return decoded.ok ? (decoded.digitalLink ?? '') : ''
}

function ending(text: string): number {
  return text.charCodeAt(text.length - 1)
}

function compare(ours: () => number, others: () => number): { readonly rate: number; readonly ratio: number } {
  const rates: number[] = []
  const ratios: number[] = []
  for (let round = -2; round < ROUNDS; round++) {
    let sum = 0
    const startMs = performance.now()
    for (let pass = 0; pass < PASSES; pass++) sum += ours()
    const betweenMs = performance.now()
    if (sum !== PASSES * others()) throw new Error('epc-tds reads other URIs')
    const endMs = performance.now()
    if (round < 0) continue
    const oursMs = (betweenMs - startMs) / PASSES
    rates.push((TAGS * 1000) / oursMs)
    ratios.push((endMs - betweenMs) / oursMs)
  }
  return { rate: median(rates), ratio: median(ratios) }
}
