/** The parts of the protocol that can be taken out, one at a time, to see that each of them is needed. */
export interface Design {
  /** The gateway lets go of what the broker has taken, instead of waiting for the database's commit. */
  readonly ackOnPuback: boolean
  /** Two ingesters may read and move one watermark at the same time. */
  readonly noWatermarkLock: boolean
  /** Rows are committed first, the watermark in a second transaction. */
  readonly watermarkOutside: boolean
  /** Whatever is above the watermark is taken, also with a hole before it. */
  readonly noContiguity: boolean
  readonly ackBeforeCommit: boolean
  /** An opening of the store goes on counting where the file says that it stopped. */
  readonly oneEpoch: boolean
  /** What an evicted record leaves: a gap record in its place, nothing, or a note that never leaves the gateway. */
  readonly eviction: 'gap' | 'silent' | 'note'
  /** Where a record goes that the database refuses. */
  readonly quarantine: 'durable' | 'volatile' | 'none'
  /** Confirmed records are let go at once, though a backup of the database may lack them. */
  readonly noGrace: boolean
  /** The store says "committed" before the disk has it. */
  readonly unsynced: boolean
}

export const WHOLE: Design = {
  ackOnPuback: false,
  noWatermarkLock: false,
  watermarkOutside: false,
  noContiguity: false,
  ackBeforeCommit: false,
  oneEpoch: false,
  eviction: 'gap',
  quarantine: 'durable',
  noGrace: false,
  unsynced: false,
}
