import { parseUdi } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { createChance } from './chance.ts'
import { planHouse } from './house.ts'
import { demoGtin, planStock } from './stock.ts'
import { neighboursOf, walk } from './walk.ts'

const house = planHouse({
  org: { slug: 'o', name: 'O' },
  facility: { code: 'north', name: 'North', timeZone: 'UTC' },
  buildings: 3,
  floors: 10,
  rooms: 420,
  beds: 500,
  gateways: 35,
  tags: [],
})

describe('the plan of a house', () => {
  it('has its rooms, half of them for patients, and a way from each to every other', () => {
    const rooms = house.rooms.filter(({ kind }) => kind !== 'corridor')
    expect(rooms).toHaveLength(420)
    expect(rooms.filter(({ kind }) => kind === 'patient').length).toBeGreaterThan(200)
    expect(new Set(house.rooms.map(({ code }) => code)).size).toBe(house.rooms.length)
    const neighbours = neighboursOf(house.doors.map(({ between }) => between))
    const seen = new Set([house.rooms[0]?.code ?? ''])
    for (const code of seen) for (const next of neighbours.get(code) ?? []) seen.add(next)
    expect(seen.size).toBe(house.rooms.length)
  })

  it('names every place once', () => {
    expect(new Set(house.beds.map(({ code }) => code)).size).toBe(500)
    expect(new Set(house.zones.map(({ code }) => code)).size).toBe(house.zones.length)
    expect(house.zones.length).toBeGreaterThan(50)
  })
})

describe('the plan of a stock', () => {
  const stock = planStock(1_500, createChance(1))

  it('has forty kinds, the frequent ones more often, all with a right UDI', () => {
    expect(stock.categories).toHaveLength(40)
    expect(stock.vendors).toHaveLength(24)
    expect(stock.models).toHaveLength(85)
    const pumps = stock.things.filter(({ name }) => name.startsWith('Infusion pump'))
    expect(pumps.length).toBeGreaterThan(300)
    for (const { udi } of stock.things) expect(parseUdi(udi, { year: 2026 })).toMatchObject({ ok: true })
    expect(demoGtin(1)).toMatch(/^0952\d{10}$/)
  })

  it('is the same for the same number, and another for another', () => {
    expect(planStock(1_500, createChance(1))).toEqual(stock)
    expect(planStock(1_500, createChance(2))).not.toEqual(stock)
  })
})

describe('a walk', () => {
  const neighbours = neighboursOf(house.doors.map(({ between }) => between))
  const steps = (seed: number) => {
    const times = { fromMs: 0, untilMs: 86_400_000, restMs: 1_800_000 }
    return [...walk({ chance: createChance(seed), home: house.rooms[3]?.code ?? '', neighbours, ...times })]
  }

  it('is in the order of time, through doors only, within its time', () => {
    const all = steps(1)
    expect(all.length).toBeGreaterThan(50)
    for (const [n, { atMs, room, confidence }] of all.entries()) {
      const before = all[n - 1]
      expect(atMs).toBeLessThan(86_400_000)
      expect(confidence).toBeLessThan(1_000)
      if (!before) continue
      expect(atMs).toBeGreaterThan(before.atMs)
      if (room !== before.room) expect(neighbours.get(before.room)).toContain(room)
    }
  })

  it('is the same for the same number', () => {
    expect(steps(5)).toEqual(steps(5))
    expect(steps(5)).not.toEqual(steps(6))
  })
})
