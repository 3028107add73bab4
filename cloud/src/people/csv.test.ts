import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseCsv } from './csv.ts'

const cellsOf = (text: string) => {
  const verdict = parseCsv(text)
  return verdict.ok ? verdict.rows.map(({ cells }) => cells) : verdict
}
const quote = (cell: string) => `"${cell.replaceAll('"', '""')}"`

describe('a CSV file', () => {
  it('gives back every value that was written, whatever it holds', () => {
    const row = fc.array(fc.string({ unit: fc.constantFrom('a', ' ', ',', ';', '"', '\n', '\r', 'é') }), {
      minLength: 2,
      maxLength: 4,
    })
    fc.assert(
      fc.property(fc.array(row, { maxLength: 5 }), fc.constantFrom(',', ';'), (rows, separator) => {
        const header = ['h1', 'h2'].join(separator)
        const text = [header, ...rows.map((cells) => cells.map(quote).join(separator))].join('\r\n')
        const kept = rows.map((cells) => cells.map((cell) => cell.trim())).filter((cells) => cells.some(Boolean))
        expect(cellsOf(text)).toEqual([['h1', 'h2'], ...kept])
      }),
      { numRuns: 200 },
    )
  })

  it('never fails in another way than by a verdict', () => {
    const text = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', ';'), maxLength: 40 })
    fc.assert(fc.property(text, (source) => typeof parseCsv(source).ok === 'boolean'))
  })

  it('says in which line a row begins, through line ends within quotes and empty lines', () => {
    const verdict = parseCsv('a,b\n"x\ny",1\n\n2,3\r4,5')
    expect(verdict.ok && verdict.rows.map(({ line }) => line)).toEqual([1, 2, 5, 6])
  })

  it.each([
    ['a,b\n1,"2', 2, 'never closed'],
    ['a,b\n1,2"3', 2, 'in the middle'],
    ['a,b\n1,"2"3', 2, 'after a closing quote'],
  ])('is refused as %j', (text, line, trouble) => {
    expect(parseCsv(text)).toEqual({ ok: false, line, trouble: expect.stringContaining(trouble) })
  })
})
