import type { GatewayId } from '@biotrakr/shared'

/** One ledger message as the broker delivered it, not yet decoded. */
export interface Arrival {
  readonly gateway: GatewayId
  readonly bytes: Uint8Array
  /** Monotonic milliseconds, for the acknowledgement latency. */
  readonly atMs: number
}

export interface IntakeLimits {
  readonly batches: number
  readonly bytes: number
  /** Most batches of one gateway waiting at once, so that one gateway cannot take the whole intake. */
  readonly perGateway: number
}

export interface Intake {
  /** Takes a batch, or drops and counts it: what is not acknowledged is sent again by the agent. */
  offer(arrival: Arrival): void
  next(): Arrival | undefined
  hasRoom(): boolean
  /** Runs `task` once, as soon as there is room (at once when there is). The last task given wins. */
  whenRoom(task: () => void): void
  waiting(): { readonly batches: number; readonly bytes: number }
  dropped(): number
}

/**
 * Bounded first-in first-out store of undecoded batches. It holds raw bytes, about ten per fix, because decoded records
 * are some twenty times larger.
 */
export function createIntake(limits: IntakeLimits): Intake {
  const queue: Arrival[] = []
  const perGateway = new Map<GatewayId, number>()
  let head = 0
  let bytes = 0
  let dropped = 0
  let roomTask: (() => void) | undefined

  const length = () => queue.length - head
  const hasRoom = () => length() < limits.batches && bytes < limits.bytes

  const signalRoom = () => {
    if (!roomTask || !hasRoom()) return
    const task = roomTask
    roomTask = undefined
    task()
  }

  const forget = (arrival: Arrival) => {
    bytes -= arrival.bytes.length
    const left = (perGateway.get(arrival.gateway) ?? 1) - 1
    if (left > 0) perGateway.set(arrival.gateway, left)
    else perGateway.delete(arrival.gateway)
  }

  return {
    offer: (arrival) => {
      const held = perGateway.get(arrival.gateway) ?? 0
      if (!hasRoom() || held >= limits.perGateway) {
        dropped += 1
        return
      }
      queue.push(arrival)
      bytes += arrival.bytes.length
      perGateway.set(arrival.gateway, held + 1)
    },
    next: () => {
      const arrival = queue[head]
      if (!arrival) return undefined
      head += 1
      // Shifting an array is linear, so the spent front is cut off only now and then.
      if (head >= 1_024 || head === queue.length) {
        queue.splice(0, head)
        head = 0
      }
      forget(arrival)
      signalRoom()
      return arrival
    },
    hasRoom,
    whenRoom: (task) => {
      roomTask = task
      signalRoom()
    },
    waiting: () => ({ batches: length(), bytes }),
    dropped: () => dropped,
  }
}
