import { EventEmitter } from 'node:events'

/** A Bluetooth controller that is no device of this machine: simulated, or reached by other means. H4 bytes both ways. */
export interface SoftController {
  /**
   * Connects the host.
   * @param toHost takes one whole packet a call
   * @returns undefined while the controller is not plugged in
   */
  attach(host: { packet(bytes: Uint8Array): void; unplugged(): void }): SoftConnection | undefined
}

interface SoftConnection {
  write(bytes: Uint8Array): void
  detach(): void
}

const soft = new WeakSet<object>()

/** True for a class made by `createSoftDriver`. */
export function softDriver(kind: unknown): boolean {
  return typeof kind === 'function' && soft.has(kind)
}

/** The class that noble wants of a driver of its own package, for one controller. */
export function createSoftDriver(controller: SoftController): unknown {
  class SoftDriver extends EventEmitter {
    #connection: SoftConnection | undefined
    #up = false
    #isWriting = false

    bindRaw(): void {
      this.#bind()
    }

    bindUser(): void {
      this.#bind()
    }

    start(): void {
      // The state follows by its event, as from a device.
    }

    stop(): void {
      this.#connection?.detach()
      this.#connection = undefined
      this.#up = false
    }

    write(bytes: Buffer): void {
      this.#isWriting = true
      try {
        this.#connection?.write(bytes)
      } finally {
        this.#isWriting = false
      }
    }

    setFilter(): void {
      // Filters are the kernel's; this controller sends what it sends.
    }

    isDevUp(): boolean {
      return this.#up
    }

    #data(bytes: Uint8Array): void {
      if (this.#up) this.emit('data', Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    }

    #bind(): void {
      this.#connection ??= controller.attach({
        packet: (bytes) => {
          // An answer comes later, as from a device: noble does not expect it before its write has returned.
          if (this.#isWriting) queueMicrotask(() => this.#data(bytes))
          else this.#data(bytes)
        },
        unplugged: () => {
          this.#up = false
          this.emit('state', false)
        },
      })
      if (!this.#connection) throw new Error('no such device')
      this.#up = true
    }
  }
  soft.add(SoftDriver)
  return SoftDriver
}
