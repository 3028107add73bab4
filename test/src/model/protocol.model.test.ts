import { describe, expect, it } from 'vitest'

import { type Design, WHOLE } from './design.ts'
import { explore } from './explore.ts'

/**
 * Three records, two ingesters, and every order of accepting, sending, delivering, committing, acknowledging and letting
 * go, with every fault of a line once, at any moment. Messages are delivered in any order, any number of times or never.
 */
const WORLDS = [
  [
    'the gateway is killed and loses power, broker and ingester die',
    { kill: 1, power: 1, broker: 1, ingester: 1 },
    false,
  ],
  ['a record is refused by the database, gateway, broker and ingester die', { kill: 1, broker: 1, ingester: 1 }, true],
  [
    'a record is evicted, the gateway is killed, broker and ingester die',
    { evict: 1, kill: 1, broker: 1, ingester: 1 },
    false,
  ],
  ['a record is evicted, another one refused', { evict: 1, broker: 1, ingester: 1 }, true],
  ["the gateway's image is put back, broker and ingester die", { image: 1, broker: 1, ingester: 1 }, false],
  ["a copy of the gateway's store runs beside it", { twin: 1, ingester: 1 }, false],
  [
    "the database's backup is put back, the gateway is killed, the broker dies",
    { database: 1, kill: 1, broker: 1 },
    false,
  ],
] as const

/** Part taken out, faults that show what it was for, how it ends, and by which shortest way. */
const ABLATIONS: readonly (readonly [
  string,
  Partial<Design>,
  Parameters<typeof explore>[0]['faults'],
  string,
  RegExp,
])[] = [
  ['the broker acknowledges', { ackOnPuback: true }, { broker: 1 }, 'lost', /PUBACK.*the broker dies/],
  ['no lock on the watermark', { noWatermarkLock: true }, {}, 'duplicated', /deliver.*deliver.*commit.*commit/],
  [
    'the watermark outside the transaction',
    { watermarkOutside: true },
    { ingester: 1 },
    'duplicated',
    /commit.*kill -9 of the ingester.*commit/,
  ],
  ['no contiguity', { noContiguity: true }, { broker: 1 }, 'lost', /deliver 2\.\.2.*let go of record 1/],
  [
    'an ack before the commit',
    { ackBeforeCommit: true },
    { ingester: 1, broker: 1 },
    'lost',
    /ack.*kill -9 of the ingester/,
  ],
  ['one epoch, and an image is put back', { oneEpoch: true }, { image: 1, broker: 1 }, 'lost', /put the image back/],
  ['one epoch, and a copy runs beside the gateway', { oneEpoch: true }, { twin: 1, broker: 1 }, 'lost', /second box/],
  ['eviction in silence', { eviction: 'silent' }, { evict: 1, broker: 1 }, 'lost', /evict/],
  [
    'a quarantine in memory',
    { quarantine: 'volatile' },
    { ingester: 1, broker: 1 },
    'lost',
    /commit.*kill -9 of the ingester/,
  ],
  [
    'no grace time, and a backup is put back',
    { noGrace: true },
    { database: 1, broker: 1 },
    'lost',
    /let go.*put the backup back/,
  ],
  ['a commit that the disk does not have', { unsynced: true }, { power: 1, broker: 1 }, 'lost', /power cut/],
  ['a gap that only the gateway knows of', { eviction: 'note' }, { evict: 1 }, 'stuck', /evict/],
  ['no quarantine', { quarantine: 'none' }, {}, 'stuck', /accept/],
]

describe('the protocol of the ledger, in every order of events', () => {
  it.each(WORLDS)(
    'loses, repeats and blocks nothing when %s',
    (_name, faults, hasPoison) => {
      const { fate, steps, states } = explore({ design: WHOLE, faults, hasPoison })
      expect({ fate, steps }).toEqual({ fate: undefined, steps: [] })
      expect(states).toBeGreaterThan(1_000)
    },
    120_000,
  )

  it.each(ABLATIONS)(
    'goes wrong with %s',
    (_name, part, faults, fate, way) => {
      const hasPoison = part.quarantine !== undefined
      const found = explore({ design: { ...WHOLE, ...part }, faults, hasPoison, findsStuck: fate === 'stuck' })
      expect(found.fate).toBe(fate)
      expect(found.steps.join('; ')).toMatch(way)
    },
    120_000,
  )
})
