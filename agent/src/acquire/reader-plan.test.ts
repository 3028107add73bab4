import { BioTrakrError } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { driverOf } from './reader-fixtures.ts'
import { planReader, type ReaderSettings } from './reader-plan.ts'

const mercury = driverOf('thingmagic-mercury')
const rdm6300 = driverOf('rdm6300')

function problems(settings: Partial<ReaderSettings>, driver = mercury): string {
  try {
    planReader(driver, { antennas: [1], ...settings })
  } catch (error) {
    if (error instanceof BioTrakrError && error.code === 'READER_SETTINGS') return error.message
    throw error
  }
  return ''
}

describe('what a site may set', () => {
  it('is taken when the profile allows it', () => {
    expect(problems({ region: 'ETSI', powerDbm: 27.5, antennas: [1, 2], parameters: { timeoutMs: 250 } })).toBe('')
    const max = mercury.limits.powerDbm?.max
    expect(problems({ region: 'ETSI', powerDbm: max })).toBe('')
  })

  it('is never beyond the limits of the profile, and everything that is wrong is told at once', () => {
    const message = problems({
      region: 'MARS',
      powerDbm: 40,
      antennas: [1, 9],
      parameters: { timeoutMs: 1e9, colour: 'red' },
    })
    expect(message).toMatch(/region MARS is none of FCC, ETSI/)
    expect(message).toMatch(/powerDbm 40 is not within 0 to 31.5/)
    expect(message).toMatch(/antenna 9: it has 4/)
    expect(message).toMatch(/timeoutMs 1000000000 is not within/)
    expect(message).toMatch(/no parameter colour/)
  })

  it('must be a step of the power, a number, and something that the reader can set at all', () => {
    expect(problems({ region: 'ETSI', powerDbm: 20.005 })).toMatch(/is not a step of 0.01/)
    expect(problems({ region: 'ETSI', powerDbm: Number.NaN })).toMatch(/is not within/)
    expect(problems({ powerDbm: 20 }, rdm6300)).toMatch(/cannot set the power/)
    expect(problems({ antennas: [] })).toMatch(/no antenna/)
  })

  it('may leave out the region, and then nothing may be transmitted; readers without a radio of that kind need none', () => {
    expect(planReader(mercury, { antennas: [1] }).mayTransmit).toBe(false)
    expect(planReader(mercury, { antennas: [1], region: 'ETSI' }).mayTransmit).toBe(true)
    expect(planReader(rdm6300, { antennas: [1] }).mayTransmit).toBe(true)
  })
})
