import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { bytesOfHex, type Fault, hexOf, Reader, Writer } from './bytes.ts'

const MAX = Number.MAX_SAFE_INTEGER
const EDGES = [0, 1, 63, 64, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52, MAX]
const column = (values: readonly number[]) => Float64Array.from(values)

function reader(writer: Writer): { from: Reader; fault: Fault } {
  const fault: Fault = { detail: undefined }
  return { from: new Reader(writer.view().slice(), fault), fault }
}

describe('numbers on the wire', () => {
  it('come back unchanged, unsigned, over the whole range of safe integers', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...EDGES), fc.maxSafeNat())), (values) => {
        const writer = new Writer(1)
        writer.unsignedAll(column(values))
        const { from, fault } = reader(writer)
        expect([...from.unsignedAll(values.length, { min: 0, max: MAX })]).toEqual(values)
        expect([fault.detail, from.remaining]).toEqual([undefined, 0])
      }),
    )
  })

  it('come back unchanged, signed, over the whole range of safe integers', () => {
    const edges = EDGES.flatMap((edge) => (edge === 0 ? [0] : [edge, -edge]))
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...edges), fc.maxSafeInteger())), (values) => {
        const writer = new Writer(1)
        writer.signedAll(column(values))
        const { from, fault } = reader(writer)
        expect([...from.signedAll(values.length, { min: -MAX, max: MAX })]).toEqual(values)
        expect([fault.detail, from.remaining]).toEqual([undefined, 0])
      }),
    )
  })

  it('come back unchanged as differences, however far they jump', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...EDGES), fc.maxSafeNat())), (values) => {
        const writer = new Writer(1)
        writer.deltaAll(column(values))
        const { from, fault } = reader(writer)
        expect([...from.deltaAll(values.length, { min: 0, max: MAX })]).toEqual(values)
        expect(fault.detail).toBeUndefined()
      }),
    )
  })

  it('take one byte up to 127 unsigned and from -64 to 63 signed', () => {
    const writer = new Writer(4)
    writer.unsignedAll(column([127, 128]))
    writer.signedAll(column([-64, 63, 64]))
    expect(hexOf(writer.view())).toBe('7f80017f7e8001')
  })

  it.each([Number.NaN, 0.5, -0.5, 2 ** 53, -(2 ** 53), Number.POSITIVE_INFINITY])(
    'are refused by the reader when the writer was given %d, which is no whole number of the range',
    (value) => {
      const writer = new Writer(1)
      writer.unsignedAll(column([value]))
      const unsigned = reader(writer)
      unsigned.from.unsignedAll(1, { min: 0, max: MAX })
      writer.clear()
      writer.signedAll(column([value]))
      const signed = reader(writer)
      signed.from.signedAll(1, { min: -MAX, max: MAX })
      expect(unsigned.fault.detail).toBeDefined()
      expect(signed.fault.detail).toBeDefined()
    },
  )

  it('are refused when negative in an unsigned column', () => {
    const writer = new Writer(1)
    writer.unsignedAll(column([-1]))
    const { from, fault } = reader(writer)
    from.unsignedAll(1, { min: 0, max: MAX })
    expect(fault.detail).toContain('out of the range')
  })

  it('are refused when they are more than the bytes can hold, before room for them is made', () => {
    const fault: Fault = { detail: undefined }
    expect(new Reader(new Uint8Array(3), fault).unsignedAll(4, { min: 0, max: 1 })).toHaveLength(0)
    expect(fault.detail).toBe('ends early')
  })
})

describe('Reader', () => {
  it('gives nothing from beyond its end', () => {
    const fault: Fault = { detail: undefined }
    const from = new Reader(Uint8Array.of(1, 2, 3, 4), fault, { from: 1, to: 3 })
    expect([...from.raw(3)]).toEqual([])
    expect(fault.detail).toBe('ends early')
    expect([from.byte(), from.byte(), from.byte()]).toEqual([2, 3, 0])
    expect(from.part(1).remaining).toBe(0)
  })

  it('keeps the first fault', () => {
    const fault: Fault = { detail: undefined }
    const from = new Reader(Uint8Array.of(9), fault)
    from.unsigned(3)
    from.byte()
    expect(fault.detail).toBe('9 is above 3')
  })
})

describe('texts and hex', () => {
  it('writes the length in bytes before a text, ASCII or not', () => {
    const writer = new Writer(1)
    writer.text('ab')
    writer.text('aü')
    expect(hexOf(writer.view())).toBe('02616203' + '61c3bc')
  })

  it('reads back the hex it wrote', () => {
    expect(hexOf(bytesOfHex('00ff10a9'))).toBe('00ff10a9')
  })
})
