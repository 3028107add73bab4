import {
  createLlrpDecoder,
  type Decoded,
  type Fields,
  type Framer,
  type TagReport,
  type Verdict,
} from '@biotrakr/firmware-profiles'
import { BioTrakrError } from '@biotrakr/shared'

import { openProfiles } from '../profile-store.ts'

/** One frame as `biotrakr decode --profile --json` writes it. */
export interface FrameDescription {
  readonly verdict: Verdict
  /** Lower-case hex. */
  readonly frame: string
  readonly tags: readonly Pick<TagReport, 'epc' | 'rssiDbm' | 'rssiRaw' | 'antenna' | 'phaseDeg' | 'freqKHz'>[]
  readonly fields: Fields
  readonly why?: string
}

/** Decodes a stream of bytes, cut anywhere, by a profile of the product or a user's own file. */
export function decodeFrames(named: string, sink: (frame: FrameDescription) => void): Framer {
  const store = openProfiles(named)
  const describe = (decoded: Decoded) => sink(describeFrame(decoded))
  return store.isBuiltIn(store.id) ? createLlrpDecoder(describe) : store.load(store.id).createFramer(describe)
}

function describeFrame({ verdict, frame, tags, fields, why, error }: Decoded): FrameDescription {
  const reason = why ?? error?.text
  return {
    verdict,
    frame: Buffer.from(frame).toString('hex'),
    tags: tags.map(publicTag),
    fields,
    ...(reason === undefined ? {} : { why: reason }),
  }
}

function publicTag({ epc, rssiDbm, rssiRaw, antenna, phaseDeg, freqKHz }: TagReport): FrameDescription['tags'][number] {
  return {
    epc,
    ...(rssiDbm === undefined ? {} : { rssiDbm }),
    ...(rssiRaw === undefined ? {} : { rssiRaw }),
    ...(antenna === undefined ? {} : { antenna }),
    ...(phaseDeg === undefined ? {} : { phaseDeg }),
    ...(freqKHz === undefined ? {} : { freqKHz }),
  }
}

/** A frame on one line: what it is, what it says, and its bytes. */
export function frameLine({ verdict, frame, tags, fields, why }: FrameDescription): string {
  const said = tags.length > 0 ? tags.map(tagWords) : [pairs(fields)]
  return [verdict, ...said, why === undefined ? '' : `(${why})`, `[${frame}]`].filter((part) => part !== '').join(' ')
}

function tagWords({ epc, rssiDbm, rssiRaw, antenna, phaseDeg, freqKHz }: FrameDescription['tags'][number]): string {
  const words = [
    rssiDbm === undefined ? '' : `${rssiDbm} dBm`,
    rssiRaw === undefined ? '' : `rssi ${rssiRaw} (raw)`,
    antenna === undefined ? '' : `antenna ${antenna}`,
    phaseDeg === undefined ? '' : `phase ${phaseDeg} deg`,
    freqKHz === undefined ? '' : `${freqKHz} kHz`,
  ].filter((word) => word !== '')
  return [epc, words.join(', ')].filter((word) => word !== '').join(' ')
}

function pairs(fields: Fields): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(' ')
}

/** Bytes of hex that comes in pieces cut anywhere, also between the two digits of a byte. */
export function createHexReader(): (piece: string) => Uint8Array {
  let held = ''
  return (piece) => {
    const digits = held + piece.replaceAll(/\s/g, '')
    const wrong = /[^0-9a-f]/i.exec(digits)
    if (wrong !== null) {
      throw new BioTrakrError(`"${wrong[0]}" is no hex digit`, {
        code: 'USAGE',
        next: 'Write bytes as hex, such as ff 00 03 1d 0c; add --raw when standard input is the bytes themselves.',
      })
    }
    held = digits.length % 2 === 0 ? '' : digits.slice(-1)
    return Buffer.from(digits.slice(0, digits.length - held.length), 'hex')
  }
}
