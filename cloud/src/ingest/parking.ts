import { type Clock, type Epoch, formatEpoch, type GatewayId, type Timer } from '@biotrakr/shared'

import type { Arrival } from './intake.ts'

export interface ParkingLimits {
  /** How long an early batch waits for the one before it, milliseconds. */
  readonly holdMs: number
  readonly perGateway: number
  readonly bytes: number
}

/** A batch as it came, and the run it holds. Its records are decoded again later: they are twenty times larger. */
export interface Early extends Arrival {
  readonly epoch: Epoch
  readonly first: number
  readonly last: number
}

export interface Parking {
  /**
   * Keeps a batch that came before its predecessor.
   * @param hw committed sequence number of its epoch
   * @returns false when there is no room: the agent should be told at once where to go on
   */
  hold(early: Early, hw: number): boolean
  /** @returns the batches that have become contiguous now that everything up to `hw` is committed */
  release(gateway: GatewayId, epoch: Epoch, hw: number): readonly Early[]
  size(): number
  stop(): void
}

interface Lot {
  readonly gateway: GatewayId
  readonly epoch: Epoch
  readonly waiting: Map<number, Early>
  readonly timer: Timer
  hw: number
}

/**
 * With several ingesters on one subscription, a gateway's batches overtake each other by a few milliseconds; asking for
 * all of them again at once would send everything several times over.
 * @param onExpired told once per epoch that waited in vain
 */
export function createParking(
  clock: Clock,
  limits: ParkingLimits,
  { onExpired }: { readonly onExpired: (gateway: GatewayId, epoch: Epoch, hw: number) => void },
): Parking {
  const lots = new Map<string, Lot>()
  const perGateway = new Map<GatewayId, number>()
  let bytes = 0
  let size = 0

  const drop = (early: Early) => {
    bytes -= early.bytes.length
    size -= 1
    const left = (perGateway.get(early.gateway) ?? 1) - 1
    if (left > 0) perGateway.set(early.gateway, left)
    else perGateway.delete(early.gateway)
  }

  const close = (key: string, lot: Lot) => {
    lot.timer.cancel()
    lots.delete(key)
  }

  const expire = (key: string) => {
    const lot = lots.get(key)
    if (!lot) return
    close(key, lot)
    for (const early of lot.waiting.values()) drop(early)
    onExpired(lot.gateway, lot.epoch, lot.hw)
  }

  return {
    hold: (early, hw) => {
      const { gateway, epoch, first } = early
      const held = perGateway.get(gateway) ?? 0
      if (bytes + early.bytes.length > limits.bytes || held >= limits.perGateway) return false
      const key = `${gateway}/${formatEpoch(epoch)}`
      const lot = lots.get(key) ?? {
        gateway,
        epoch,
        hw,
        waiting: new Map<number, Early>(),
        timer: clock.after(limits.holdMs, () => expire(key)),
      }
      lots.set(key, lot)
      lot.hw = Math.max(lot.hw, hw)
      const same = lot.waiting.get(first)
      if (same) drop(same)
      lot.waiting.set(first, { gateway, epoch, first, last: early.last, bytes: early.bytes, atMs: early.atMs })
      perGateway.set(gateway, (perGateway.get(gateway) ?? 0) + 1)
      bytes += early.bytes.length
      size += 1
      return true
    },
    release: (gateway, epoch, hw) => {
      const key = `${gateway}/${formatEpoch(epoch)}`
      const lot = lots.get(key)
      if (!lot) return []
      lot.hw = Math.max(lot.hw, hw)
      const released: Early[] = []
      let reach = hw
      for (const early of [...lot.waiting.values()].sort((a, b) => a.first - b.first)) {
        if (early.first > reach + 1) break
        reach = Math.max(reach, early.last)
        released.push(early)
        lot.waiting.delete(early.first)
        drop(early)
      }
      if (lot.waiting.size === 0) close(key, lot)
      return released
    },
    size: () => size,
    stop: () => {
      for (const [key, lot] of lots) {
        for (const early of lot.waiting.values()) drop(early)
        close(key, lot)
      }
    },
  }
}
