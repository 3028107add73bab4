import { macBe, s8, text, u8, u32be, uuid } from './bytes.ts'
import type { FieldsDraft, Frame, Span } from './frame.ts'

const OPEN_LOCATE = 0x09

/**
 * HPE/Aruba access points, service FD94, Open Locate: elements of three bits of kind and five of length say where the
 * sender is and who it is. They are fixed and known: a gateway learns from them where it is itself.
 */
export function decodeOpenLocate({ bytes, at, end }: Span): Frame | string | undefined {
  if (u8(bytes, at) !== OPEN_LOCATE) return undefined
  if (end - at < 2) return 'OpenLocate frame of a wrong length'
  const header = u8(bytes, at + 1)
  const fields: FieldsDraft = {
    sequence: header >> 4,
    fragment: (header >> 1) & 0x07,
    lastFragment: (header & 1) === 1,
  }
  let place = at + 2
  while (place < end) {
    const [kind, length] = [u8(bytes, place) >> 5, u8(bytes, place) & 0x1f]
    // Zeros fill up what is not used.
    if (length === 0) break
    const next = place + 1 + length
    if (next > end) return 'OpenLocate element beyond the end'
    readElement(fields, kind, { bytes, at: place + 1, end: next })
    place = next
  }
  return { format: 'hpe-open-locate', fields }
}

type Element = Omit<Span, 'secrets'>

function readElement(fields: FieldsDraft, kind: number, element: Element): void {
  const { bytes, at, end } = element
  if (kind === 0 && end - at >= 2) {
    fields.txPower = s8(bytes, at)
    fields.stationary = (u8(bytes, at + 1) & 0x01) === 0
  } else if (kind === 2 && end - at >= 9) {
    fields.position = [(u32be(bytes, at) % 0x100_0000) / 100, (u32be(bytes, at + 4) % 0x100_0000) / 100]
    fields.floor = text(bytes, at + 8, end)
  } else if (kind === 3 && end - at >= 2) readIdentity(fields, element)
}

/** Bits of the first byte say which of address, name and iBeacon identity follow. */
function readIdentity(fields: FieldsDraft, { bytes, at, end }: Element): void {
  const parts = u8(bytes, at)
  let place = at + 1
  if (parts & 0x01) {
    if (place + 6 > end) return
    fields.mac = macBe(bytes, place)
    place += 6
  }
  if (parts & 0x02) {
    const next = place + 1 + u8(bytes, place)
    if (next > end) return
    fields.name = text(bytes, place + 1, next)
    place = next
  }
  if (parts & 0x04 && place + 20 <= end) fields.uuid = uuid(bytes, place)
}
