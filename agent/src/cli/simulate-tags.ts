import { readFileSync } from 'node:fs'

import type { Driver } from '@biotrakr/firmware-profiles'
import { BioTrakrError } from '@biotrakr/shared'
import type { FieldTag } from '@biotrakr/sim'
import { z } from 'zod'

const hex = z.string().regex(/^(?:[0-9a-f]{2}){1,62}$/i, 'must be 1 to 62 bytes in hex')

/** One line of a tags file that is JSON. The rest of a read, such as its time, is the reader's own. */
const tagLine = z.strictObject({
  epc: hex,
  band: z.enum(['lf', 'hf']).optional(),
  pc: z
    .string()
    .regex(/^[0-9a-f]{4}$/i)
    .optional(),
  rssiDbm: z.number().int().min(-125).max(0).optional(),
  rssiRaw: z.number().int().min(3).max(252).optional(),
  antenna: z.number().int().min(1).max(8).optional(),
  phaseDeg: z.number().int().min(0).max(180).optional(),
  freqKHz: z.number().int().min(840_000).max(960_000).optional(),
  /** Power at which the reader begins to read it. */
  needsDbm: z.number().min(-10).max(40).optional(),
})

/** What a reader measures where the file does not say; raw numbers lie in the middle of what the protocols show. */
const HEARD = { rssiDbm: -58, rssiRaw: 72, antenna: 1, phaseDeg: 90 }
/** A bed (GIAI), a pump (SGTIN) and a tray (GRAI) of the company prefix 0614141, which the EPC standard's examples use. */
const HOSPITAL_TAGS = ['3414257BF400000000007531', '3014257BF7194E4000001A85', '3314257BF40C0E4000000190']

/**
 * Tags of a file: a line is an EPC (or the number of an LF or HF tag) in hex, or a JSON object such as
 * {"epc":"30…","antenna":2,"rssiDbm":-60}. Empty lines and lines that begin with # do not count.
 *
 * @throws BioTrakrError USAGE with the line that is wrong
 */
export function readTags(path: string): FieldTag[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    const next = 'Give a readable file with one tag a line.'
    throw new BioTrakrError(`${path} cannot be read`, { code: 'USAGE', cause, next })
  }
  return text.split('\n').flatMap((line, at) => {
    const words = line.trim()
    return words === '' || words.startsWith('#') ? [] : [tagOf(words, `${path}:${at + 1}`)]
  })
}

function tagOf(words: string, place: string): FieldTag {
  const { data, error } = tagLine.safeParse(words.startsWith('{') ? jsonOf(words) : { epc: words })
  if (data === undefined) {
    throw new BioTrakrError(`${place} is no tag: ${z.prettifyError(error).replaceAll('\n', ' ')}`, {
      code: 'USAGE',
      next: 'Write an EPC in hex, or an object such as {"epc":"3014257BF7194E4000001A85","antenna":2,"rssiDbm":-60}.',
    })
  }
  const given = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined))
  return { ...HEARD, ...given, epc: data.epc.toUpperCase() }
}

function jsonOf(words: string): unknown {
  try {
    return JSON.parse(words)
  } catch {
    return undefined
  }
}

/** Tags for a reader that is given none: those of a hospital, or for LF and HF those of the profile's own frames. */
export function exampleTags(driver?: Driver): FieldTag[] {
  if (driver === undefined || driver.tagKind === 'epc') return HOSPITAL_TAGS.map((epc) => ({ ...HEARD, epc }))
  const seen = driver.document.golden.flatMap(({ hex: frame, direction }) =>
    direction === 'command' ? [] : driver.decode(Buffer.from(frame.replaceAll(' ', ''), 'hex')).tags,
  )
  return [...new Map(seen.map((tag) => [tag.epc, tag])).values()]
}
