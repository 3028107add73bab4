import type { StoreReader } from '../store-access.ts'

const HOUR_MS = 3_600_000

interface StoreStatus {
  readonly store: string
  readonly gateway: string
  readonly version: number
  readonly epochs: number
  /** Sequence numbers held, and those of them that the centre has not confirmed. */
  readonly records: number
  readonly unconfirmed: number
  /** Sequence numbers that became gaps, ever: by rank, and the rest. */
  readonly lost: {
    readonly telemetry: number
    readonly sameRoom: number
    readonly roomChange: number
    readonly other: number
  }
  /** Rows of the store: sealed groups and gaps. */
  readonly rows: number
  readonly bytes: number
  readonly maxBytes: number | undefined
  /** Event time of the oldest unconfirmed record, wall milliseconds, and how long ago that is. */
  readonly oldestMs: number | undefined
  readonly oldestAgeHours: number | undefined
  /** Bytes an hour that the newest hour of groups took. */
  readonly bytesPerHour: number | undefined
  /** Until the bound is reached at that rate, with the uplink down. */
  readonly hoursLeft: number | undefined
}

export function storeStatus(
  reader: StoreReader,
  { maxBytes, nowMs }: { readonly maxBytes: number | undefined; readonly nowMs: number },
): StoreStatus {
  const { epochs, gateway, version, rows, bytes, usedBytes, oldestMs, recent, path } = reader.summary()
  const sum = (of: (epoch: (typeof epochs)[number]) => number): number => epochs.reduce((total, e) => total + of(e), 0)
  const lost = sum((epoch) => epoch.lost)
  const telemetry = sum(({ lostRanks }) => lostRanks.telemetry)
  const sameRoom = sum(({ lostRanks }) => lostRanks.sameRoom)
  const roomChange = sum(({ lostRanks }) => lostRanks.roomChange)
  const bytesPerHour = recent.spanMs > 0 ? (recent.bytes * HOUR_MS) / recent.spanMs : undefined
  const left = maxBytes === undefined ? undefined : Math.max(0, maxBytes - usedBytes)
  return {
    store: path,
    gateway,
    version,
    epochs: epochs.length,
    records: sum(({ first, last }) => last - first + 1),
    unconfirmed: sum(({ last, acked }) => last - acked),
    lost: { telemetry, sameRoom, roomChange, other: Math.max(0, lost - telemetry - sameRoom - roomChange) },
    rows,
    bytes,
    maxBytes,
    oldestMs,
    oldestAgeHours: oldestMs === undefined ? undefined : Math.max(0, nowMs - oldestMs) / HOUR_MS,
    bytesPerHour,
    hoursLeft: left === undefined || !bytesPerHour ? undefined : left / bytesPerHour,
  }
}

export function statusLines(status: StoreStatus): string {
  const { lost, maxBytes, oldestMs, oldestAgeHours, bytesPerHour, hoursLeft } = status
  const gone = lost.telemetry + lost.sameRoom + lost.roomChange + lost.other
  const lines = [
    ['store', `${status.store} (gateway ${status.gateway}, version ${status.version}, ${status.epochs} epochs)`],
    ['records', `${status.records} in ${status.rows} rows, ${status.unconfirmed} not confirmed`],
    ['bytes', `${megabytes(status.bytes)}${maxBytes === undefined ? '' : ` of ${megabytes(maxBytes)}`}`],
    [
      'oldest',
      oldestMs === undefined || oldestAgeHours === undefined
        ? 'everything is confirmed'
        : `${new Date(oldestMs).toISOString()}, ${oldestAgeHours.toFixed(1)} h ago`,
    ],
    ['rate', bytesPerHour === undefined ? 'not known: too little was stored' : `${megabytes(bytesPerHour)} an hour`],
    ['buffer left', hoursLeft === undefined ? 'not known' : `${hoursLeft.toFixed(1)} h at this rate`],
    [
      'gaps',
      `${gone} records let go: ${lost.telemetry} telemetry, ${lost.sameRoom} in the same room, ${lost.roomChange} room changes, ${lost.other} other`,
    ],
  ]
  return lines.map(([name = '', text = '']) => `${name.padEnd(12)} ${text}\n`).join('')
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`
}
