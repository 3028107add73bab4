import { closeSync, fsyncSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

import { sizeOf } from './sqlite-file.ts'

const MEBIBYTE = 1_048_576
/** Free space at which the file may grow again, and at which the ballast is made again, in sizes of the ballast. */
const ROOM_TO_GROW = 2
const ROOM_TO_REFILL = 4

/** How much of `maxBytes` is kept as ballast. */
export function ballastBytes(maxBytes: number): number {
  return Math.min(MEBIBYTE, Math.floor(maxBytes / 64))
}

/**
 * A file that is only there to be let go of. On a full disk SQLite cannot even delete, because a deletion is written to
 * the log first; with the ballast gone there is room for that, confirmed records go, and their pages are used again.
 */
export class Ballast {
  readonly #path: string
  /** How large it is when it is there. */
  readonly target: number
  #isThere = false
  #isTight = false

  constructor(path: string, bytes: number) {
    this.#path = path
    this.target = bytes
  }

  /** The disk has no space left: only pages that the store already has can be used. */
  get isTight(): boolean {
    return this.#isTight
  }

  get size(): number {
    return sizeOf(this.#path)
  }

  /** Makes the ballast when the disk has room for it. Never throws: without it the store works as well. */
  refill(): void {
    if (this.#isThere && !this.#isTight) return
    const free = this.#free()
    if (this.#isTight && free >= ROOM_TO_GROW * this.target) this.#isTight = false
    this.#isThere = this.size === this.target
    if (!this.#isThere && free >= ROOM_TO_REFILL * this.target) this.#make()
  }

  /** To be called when the disk is full. @returns true when that gave it some space back */
  drop(): boolean {
    this.#isTight = true
    const gain = this.size > 0
    this.#isThere = false
    try {
      rmSync(this.#path, { force: true })
      return gain
    } catch {
      return false
    }
  }

  #make(): void {
    try {
      // Written out, not only made long: a hole holds no space.
      const file = openSync(this.#path, 'w', 0o600)
      try {
        writeSync(file, new Uint8Array(this.target).fill(0x42))
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      this.#isThere = true
    } catch {
      this.#isThere = false
      rmSync(this.#path, { force: true })
    }
  }

  #free(): number {
    try {
      const { bavail, bsize } = statfsSync(dirname(this.#path))
      return bavail * bsize
    } catch {
      return 0
    }
  }
}
