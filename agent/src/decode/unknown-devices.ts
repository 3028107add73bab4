/** Adverts and devices of one class that are nobody's business but as a number. */
export interface UnknownCounts {
  /** Adverts since the start, by class. */
  readonly adverts: Readonly<Record<string, number>>
  /** Devices remembered now. */
  readonly devices: number
  /** Devices seen anew since the start, by class: a phone counts again with each address it takes. */
  readonly newDevices: Readonly<Record<string, number>>
  /** Forgotten early, because the table was full. */
  readonly evicted: number
}

export interface UnknownDevices {
  /** Whether this device was counted as unknown within its time. */
  knows(address: number, nowMs: number): boolean
  add(device: { readonly address: number; readonly isPrivate: boolean; readonly class: string }, nowMs: number): void
  forget(address: number): void
  counts(): UnknownCounts
  /** What stands for the devices remembered now. */
  marks(): readonly number[]
}

const MAX_DEVICES = 4_096
/** A private address lives about 15 minutes; one that is silent for 240 s has passed by (Bermuda's figure). */
const PRIVATE_TTL_MS = 240_000
const OTHER_TTL_MS = 3_600_000

/**
 * Counts unknown devices and forgets them. Not an address is kept: only a number mixed from it and a secret of this
 * process, so that neither a dump nor a log can tell whose phone was here. Bounded: 4,096 devices, the longest silent
 * makes room, private addresses first.
 * @param secret two random 32-bit numbers
 */
export function createUnknownDevices(secret: readonly [number, number]): UnknownDevices {
  const changing = new Map<number, number>()
  const lasting = new Map<number, number>()
  const adverts: Record<string, number> = {}
  const newDevices: Record<string, number> = {}
  let evicted = 0

  function makeRoom(nowMs: number): void {
    expire(changing, nowMs - PRIVATE_TTL_MS)
    expire(lasting, nowMs - OTHER_TTL_MS)
    while (changing.size + lasting.size >= MAX_DEVICES) {
      const table = changing.size > 0 ? changing : lasting
      for (const oldest of table.keys()) {
        table.delete(oldest)
        break
      }
      evicted += 1
    }
  }

  return {
    knows(address, nowMs) {
      const mark = mixed(address, secret)
      const heardMs = changing.get(mark)
      if (heardMs !== undefined) return nowMs - heardMs < PRIVATE_TTL_MS
      return nowMs - (lasting.get(mark) ?? Number.NEGATIVE_INFINITY) < OTHER_TTL_MS
    },
    add(device, nowMs) {
      adverts[device.class] = (adverts[device.class] ?? 0) + 1
      const mark = mixed(device.address, secret)
      const table = device.isPrivate ? changing : lasting
      if (!table.delete(mark)) {
        makeRoom(nowMs)
        newDevices[device.class] = (newDevices[device.class] ?? 0) + 1
      }
      table.set(mark, nowMs)
    },
    forget(address) {
      const mark = mixed(address, secret)
      changing.delete(mark)
      lasting.delete(mark)
    },
    counts: () => ({
      adverts: { ...adverts },
      newDevices: { ...newDevices },
      evicted,
      devices: changing.size + lasting.size,
    }),
    marks: () => [...changing.keys(), ...lasting.keys()],
  }
}

/** Entries stand in the order in which they were last heard. */
function expire(table: Map<number, number>, beforeMs: number): void {
  for (const [mark, heardMs] of table) {
    if (heardMs > beforeMs) return
    table.delete(mark)
  }
}

/** 53 bits from an address of 48 and the secret, by two rounds of multiplying and folding. */
function mixed(address: number, [first, second]: readonly [number, number]): number {
  const low = address >>> 0
  const high = Math.floor(address / 0x1_0000_0000)
  const one = fold(Math.imul(fold(low ^ first), 0x85eb_ca6b) ^ fold(high ^ second))
  const two = fold(Math.imul(fold(low ^ second), 0xc2b2_ae35) ^ fold(Math.imul(high, 0x27d4_eb2f) ^ first))
  return one * 0x20_0000 + (two >>> 11)
}

function fold(value: number): number {
  const once = Math.imul(value ^ (value >>> 16), 0x7feb_352d)
  const twice = Math.imul(once ^ (once >>> 15), 0x846c_a68b)
  return (twice ^ (twice >>> 16)) >>> 0
}
