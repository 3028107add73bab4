import { type TagReport, tagIdOfReport } from '@biotrakr/firmware-profiles'
import type { TagId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { receiver, TAG, tagOf } from './reader-fixtures.ts'
import { createReadings } from './reader-readings.ts'

const DBM = { unit: 'dBm', calibrated: false } as const
const known = tagOf(TAG) as TagId

function readings(rssi: { unit: 'dBm' | 'raw' | 'none'; calibrated: boolean }, antennas = [1, 2]) {
  const receivers = new Map(antennas.map((antenna) => [antenna, receiver(`door/${antenna}`)]))
  return createReadings({ driver: { rssi }, receivers, allow: new Set([known]), tagOf })
}

describe('what becomes of a tag report', () => {
  it('is nothing but a count for the number of a person, unless the site names that very person', () => {
    const [patient, nurse] = ['2D76451FD4499602D2000000', 'F53952114112345678906000']
    const named = tagIdOfReport({ epc: patient ?? '' }) as TagId
    const everybody = `${named.slice(0, named.indexOf('.'))}.*` as TagId
    const thing = tagIdOfReport(TAG) as TagId
    const heardBy = (allow: ReadonlySet<TagId>) => {
      const receivers = new Map([[1, receiver('door/1')]])
      const reader = createReadings({ driver: { rssi: DBM }, receivers, allow, tagOf: tagIdOfReport })
      const tags = [patient, nurse, TAG.epc].map((epc) => reader.from({ ...TAG, epc: epc ?? '' }, 0)?.tag)
      return { tags, ...reader.counts }
    }
    expect(heardBy(new Set([thing, everybody]))).toMatchObject({
      tags: [undefined, undefined, thing],
      personalTags: 2,
      unknownTags: 0,
    })
    expect(heardBy(new Set([thing, named]))).toMatchObject({ tags: [named, undefined, thing], personalTags: 1 })
  })

  it('is a reading of the antenna with what the reader says of the signal', () => {
    const report: TagReport = { ...TAG, antenna: 2, phaseDeg: 90, freqKHz: 865_700, readerTimeMs: 12 }
    expect(readings(DBM).from(report, 1_000)).toEqual({
      tag: known,
      receiver: 'door/2',
      rssiDbm: -56,
      atMs: 1_000,
      medium: 'RFID',
      phaseDeg: 90,
      freqKHz: 865_700,
      readerTimeMs: 12,
    })
  })

  it('has dBm only where the reader or the profile vouches for it; otherwise the number is raw, or there is none', () => {
    const guessed = readings({ unit: 'raw', calibrated: false }).from({ ...TAG, rssiRaw: 73 }, 0)
    expect([guessed?.rssiDbm, guessed?.rssiRaw]).toEqual([undefined, 73])
    const checked = readings({ unit: 'raw', calibrated: true }).from({ ...TAG, rssiRaw: 73 }, 0)
    expect([checked?.rssiDbm, checked?.rssiRaw]).toEqual([-56, undefined])
    const raw = readings({ unit: 'raw', calibrated: false }).from({ epc: TAG.epc, antenna: 1, rssiRaw: 98 }, 0)
    expect([raw?.rssiDbm, raw?.rssiRaw]).toEqual([undefined, 98])
    const presence = readings({ unit: 'none', calibrated: false }, [1]).from({ epc: TAG.epc }, 0)
    expect(presence).toEqual({ tag: known, receiver: 'door/1', atMs: 0, medium: 'RFID' })
  })

  it('is presence alone, and counted, when the strength cannot be one', () => {
    const { from, counts } = readings(DBM)
    expect(from({ ...TAG, rssiDbm: 0 }, 0)).not.toHaveProperty('rssiDbm')
    expect(counts).toMatchObject({ readings: 1, impossibleRssi: 1 })
  })

  it('is nothing, and counted, for tags nobody follows, antennas nobody named and numbers that are none', () => {
    const { from, counts } = readings(DBM)
    from({ ...TAG, epc: 'E28011' }, 0)
    from({ ...TAG, antenna: 3 }, 0)
    from({ epc: TAG.epc }, 0)
    from({ ...TAG, epc: '' }, 0)
    expect(counts).toEqual({
      readings: 0,
      unknownTags: 1,
      personalTags: 0,
      unmapped: 2,
      unusable: 1,
      impossibleRssi: 0,
      firstSightings: 0,
      repeats: 0,
    })
  })
})
