import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { type Candidate, compareCodes, matchedBy, type RecallRule } from './recall-rule.ts'

const rule = (change: Partial<RecallRule>): RecallRule => ({
  manufacturer: null,
  udi_dis: [],
  model_nos: [],
  lot_from: null,
  lot_to: null,
  serial_rule: null,
  ...change,
})
const asset = (change: Partial<Candidate>): Candidate => ({
  manufacturer: 'Acme Medical',
  model_no: 'IP-200',
  udi_di: '51022222233336',
  lots: [],
  serials: [],
  ...change,
})
const acme = { manufacturer: 'ACME  medical' }

describe('what a recall concerns', () => {
  it.each([
    ['the device identifier', { udi_dis: ['51022222233336'] }, {}, 'udi'],
    ['another identifier', { udi_dis: ['51022222233343'] }, {}, undefined],
    ['maker and model, however they are written', { ...acme, model_nos: ['ip 200'] }, {}, 'model'],
    ['another model', { ...acme, model_nos: ['IP-300'] }, {}, undefined],
    ['another maker', { manufacturer: 'Other', model_nos: ['IP-200'] }, {}, undefined],
    ['the maker alone', acme, {}, 'manufacturer'],
    ['a model that is not known', { ...acme, model_nos: ['IP-200'] }, { model_no: null, udi_di: null }, 'manufacturer'],
    ['an identifier that is not known', { ...acme, udi_dis: ['51022222233343'] }, { udi_di: null }, undefined],
    ['no maker at all', { ...acme, model_nos: ['IP-200'] }, { manufacturer: null }, undefined],
  ])('is told by %s', (_what, change, known, expected) => {
    expect(matchedBy(rule(change), asset(known))).toBe(expected)
  })

  it.each([
    [{ lot_from: 'A9', lot_to: 'A11' }, { lots: ['A10'] }, true],
    [{ lot_from: 'A9', lot_to: 'A11' }, { lots: ['A12'] }, false],
    [{ lot_from: 'A9' }, { lots: ['A100'] }, true],
    [{ lot_to: 'A9' }, { lots: ['A10', 'a-8'] }, true],
    [{ lot_from: 'A9', lot_to: 'A11' }, { lots: [] }, true],
    [{ serial_rule: { from: '100', to: '199' } }, { serials: ['150'] }, true],
    [{ serial_rule: { from: '100', to: '199' } }, { serials: ['1500'] }, false],
    [{ serial_rule: { prefixes: ['SN-7'] } }, { serials: ['sn7 001'] }, true],
    [{ serial_rule: { list: ['X1', 'X2'] } }, { serials: ['X2'] }, true],
    [{ serial_rule: { list: ['X1', 'X2'] } }, { serials: ['X3'] }, false],
    [{ serial_rule: { list: ['X1'] } }, { serials: [] }, true],
  ])('is narrowed by %j for %j: %s', (change, known, expected) => {
    expect(matchedBy(rule({ ...acme, ...change }), asset(known)) !== undefined).toBe(expected)
  })

  it('orders codes the same way from both sides, and numbers in them by value', () => {
    const code = fc.stringMatching(/^[A-Z0-9-]{1,12}$/)
    fc.assert(
      fc.property(code, code, (a, b) => {
        expect(Math.sign(compareCodes(a, b))).toBe(-Math.sign(compareCodes(b, a)) + 0)
        expect(compareCodes(a, a)).toBe(0)
      }),
    )
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (a, b) => {
        expect(Math.sign(compareCodes(`L${a}`, `L${b}`))).toBe(Math.sign(a - b))
      }),
    )
  })
})
