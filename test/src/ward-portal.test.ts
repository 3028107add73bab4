import type { SiteMap, TagId } from '@biotrakr/shared'
import { createWard, createWardThings } from '@biotrakr/sim'
import { describe, expect, it } from 'vitest'

import { createFilter } from '../../agent/src/filter/filter.ts'
import { emptyState, type Located, locate } from '../../agent/src/locate/locate.ts'

const T0 = 1_760_000_000_000
const HOUR_MS = 3_600_000
const STEP_MS = 100
/** The room behind the doorway. */
const BEHIND = '108'
/** Beds are pushed at 1 m/s, and their reader needs a moment on either side. */
const SECONDS_ALLOWED = 3

interface Second {
  readonly atMs: number
  readonly truth: string
  readonly located: Located
}

/** Four beds that are pushed through the doorway of the simulated ward for an hour, heard by its two antennas alone. */
function drive(seed: number): { readonly map: SiteMap; readonly beds: ReadonlyMap<TagId, Second[]> } {
  const ward = createWard({ seed, startMs: T0, tags: 1 })
  const things = createWardThings({ seed, startMs: T0, count: 4, stayMs: 20_000 })
  const map: SiteMap = {
    ...ward.siteMap,
    receivers: [...ward.siteMap.receivers, ...things.receivers],
    portals: things.portals,
  }
  const portal = things.readers.find(({ name }) => name === 'portal')
  if (!portal) throw new Error('the ward has a portal')
  const filter = createFilter()
  const beds = new Map<TagId, Second[]>(things.tags.map((tag) => [tag, []]))
  const byEpc = new Map<string, TagId>()
  let state = emptyState()
  for (let atMs = T0; atMs < T0 + HOUR_MS; atMs += STEP_MS) {
    for (const window of filter.close(atMs).windows) {
      const next = locate(map, state, window)
      state = next.state
      const truth = things.truthAt(window.tag, window.atMs).room
      beds.get(window.tag)?.push({ atMs: window.atMs, truth, located: next.located })
    }
    for (const { epc, antenna, rssiDbm } of portal.fieldAt(atMs)) {
      const receiver = portal.antennas[antenna ?? 0]
      const tag = byEpc.get(epc) ?? things.tags.find((one) => one.endsWith(serialOf(epc)))
      if (!receiver || !tag || rssiDbm === undefined) continue
      byEpc.set(epc, tag)
      filter.add({ tag, receiver, rssiDbm, atMs, medium: 'RFID' })
    }
  }
  return { map, beds }
}

/** The last digits of a GIAI-96 are its serial number. */
const serialOf = (epc: string): string => String(Number.parseInt(epc.slice(-8), 16))

describe("the simulated ward's doorway", () => {
  it.each([1, 2, 3])('seed %d: every bed that is pushed through is on the right side within seconds', (seed) => {
    const { beds } = drive(seed)
    let passed = 0
    let byPortal = 0
    for (const seconds of beds.values()) {
      seconds.forEach((second, i) => {
        const before = seconds[i - 1]
        if (!before || before.truth === second.truth || second.atMs - before.atMs > 2000) return
        passed += 1
        const soon = seconds.slice(i, i + SECONDS_ALLOWED)
        const found = soon.find(({ located, truth }) => located.room === truth)
        expect(found, `bed at ${second.atMs - T0} ms`).toBeDefined()
        if (soon.some(({ located }) => located.method === 'PORTAL')) byPortal += 1
      })
    }
    expect(passed).toBeGreaterThan(20)
    expect(byPortal / passed).toBeGreaterThan(0.9)
  })

  it('keeps a bed that has gone through and is heard no more in the room behind the door', () => {
    const { beds } = drive(4)
    let silent = 0
    let right = 0
    for (const seconds of beds.values()) {
      for (const { truth, located } of seconds) {
        if (located.reason !== 'not_heard') continue
        silent += 1
        if ((located.likeliest === BEHIND) === (truth === BEHIND)) right += 1
      }
    }
    expect(silent).toBeGreaterThan(20)
    expect(right / silent).toBeGreaterThan(0.9)
  })
})
