import type { Controller } from './controller.ts'
import type { Advert } from './controller-events.ts'

interface Host {
  packet(bytes: Uint8Array): void
  unplugged(): void
}

/** A simulated controller in its socket: a host attaches to it, it can be pulled out and put back. */
export interface ControllerPort {
  readonly controller: Controller
  /** @returns undefined while it is unplugged */
  attach(host: Host): { write(bytes: Uint8Array): void; detach(): void } | undefined
  /** Sends an advert past the antenna. @returns whether the host got to hear of it */
  air(advert: Advert): boolean
  crash(): void
  unplug(): void
  plug(): void
}

/** One host at a time; a newer one takes the place of the one before. */
export function createControllerPort(controller: Controller): ControllerPort {
  let host: Host | undefined
  let isPlugged = true

  function send(packets: readonly Uint8Array[]): boolean {
    for (const packet of packets) host?.packet(packet)
    return host !== undefined && packets.length > 0
  }

  return {
    controller,
    attach(newHost) {
      if (!isPlugged) return undefined
      host = newHost
      return {
        write(bytes) {
          if (host === newHost) send(controller.receive(bytes))
        },
        detach() {
          if (host === newHost) host = undefined
        },
      }
    },
    air: (advert) => send(controller.hear(advert)),
    crash: () => void send([controller.crash()]),
    unplug() {
      isPlugged = false
      controller.reboot()
      host?.unplugged()
      host = undefined
    },
    plug() {
      isPlugged = true
    },
  }
}
