import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { csvFields } from './csv-fields.ts'

const quote = (field: string) => `"${field.replaceAll('"', '""')}"`

describe('fields of a CSV line', () => {
  it('are what stands between commas, quotes taken off', () => {
    expect(csvFields('"set1:0.16,15.33",12,"say ""a""",,"",b')).toEqual({
      ok: true,
      fields: ['set1:0.16,15.33', '12', 'say "a"', '', '', 'b'],
    })
  })

  it('come back as they were written, quoted or not', () => {
    const plain = fc.string().filter((text) => !/[",]/.test(text))
    const fields = fc.array(
      fc.oneof(
        plain.map((field) => ({ field, written: field })),
        fc.string().map((field) => ({ field, written: quote(field) })),
      ),
      { minLength: 1 },
    )
    fc.assert(
      fc.property(fields, (row) => {
        expect(csvFields(row.map(({ written }) => written).join(','))).toEqual({
          ok: true,
          fields: row.map(({ field }) => field),
        })
      }),
    )
  })

  it.each([
    ['"a,b', 'a quote is not closed'],
    ['a,"b""', 'a quote is not closed'],
    ['"a"b,c', 'text follows a closing quote'],
  ])('are refused with the reason in %s', (line, why) => {
    expect(csvFields(line)).toEqual({ ok: false, why })
  })

  it('never throw', () => {
    fc.assert(fc.property(fc.stringMatching(/^[a",]*$/), (line) => typeof csvFields(line).ok === 'boolean'))
  })
})
