import { readFileSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import { readProfiles, sha256 } from '../profiles-on-disk.ts'
import { checkLlrpProfile, isBuiltIn, loadLlrpProfile } from './llrp-profile.ts'
import { checkProfile } from './load.ts'

const llrp: unknown = JSON.parse(readFileSync(new URL('../llrp/profile.json', import.meta.url), 'utf8'))

/** The product's profiles, the one of LLRP, and one of a site's own that extends it. */
function sources(own: object): Map<string, unknown> {
  return new Map([...readProfiles(), ['llrp', llrp], ['ours', { id: 'ours', extends: 'llrp', ...own }]])
}

describe('a profile of the driver llrp', () => {
  it('is loaded with its fingerprint, and may be extended', () => {
    const found = sources({ version: '1.0.1', rospec: { session: 0 } })
    const base = loadLlrpProfile('llrp', found, { sha256 })
    const ours = loadLlrpProfile('ours', found, { sha256 })
    expect(base).toMatchObject({ tcpPort: 5084, rospec: { session: 1, keepaliveMs: 5_000 } })
    expect(ours).toMatchObject({ id: 'ours', version: '1.0.1', rospec: { session: 0, keepaliveMs: 5_000 } })
    expect(ours.fingerprint).not.toBe(base.fingerprint)
    expect([isBuiltIn('ours', found), isBuiltIn('rdm6300', found)]).toEqual([true, false])
  })

  it('is refused with every problem and where it is', () => {
    const found = sources({ rospec: { session: 4, aiSpecMs: -1, speed: 1 }, messages: [] })
    expect(checkLlrpProfile('ours', found, { sha256 }).problems).toEqual(
      expect.arrayContaining([
        { path: 'rospec.session', message: 'must be <= 3' },
        { path: 'rospec.aiSpecMs', message: 'must be >= 0' },
        { path: 'rospec.speed', message: expect.stringContaining('unknown key') },
        { path: 'messages', message: expect.stringContaining('does not belong') },
      ]),
    )
    const short = sources({ rospec: { aiSpecMs: 500 } })
    expect(() => loadLlrpProfile('ours', short, { sha256 })).toThrow(/rospec.aiSpecMs: is neither 0 nor 1000/)
    expect(checkLlrpProfile('ours', sources({ id: 'mine' }), { sha256 }).problems[0]?.path).toBe('id')
  })

  it('is no profile that describes a protocol, and such a one is none of a driver', () => {
    expect(checkProfile('llrp', sources({}), { sha256 }).problems).toMatchObject([{ path: 'driver' }])
    const found = new Map([...sources({}), ['mixed', { id: 'mixed', extends: 'rdm6300', rospec: {} }]])
    expect(checkProfile('mixed', found, { sha256 }).problems).toMatchObject(
      expect.arrayContaining([{ path: 'rospec', message: expect.stringContaining('does not belong') }]),
    )
    expect(checkLlrpProfile('none', found, { sha256 }).problems).toHaveLength(1)
  })
})
