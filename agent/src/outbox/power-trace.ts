import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Events of power-trace.c. */
const KIND = { write: 1, truncate: 2, sync: 3, unlink: 4, rename: 5, create: 6, named: 7 } as const
const HEADER_BYTES = 24
const FOLDER = 1
/** What a disk writes whole or not at all. */
const SECTOR = 512

/** Numbers from 0 up to `below`. */
export type Draw = (below: number) => number

interface Change {
  /** Place in the trace. */
  readonly at: number
  readonly offset: number
  /** Absent: the file was cut or grown to `offset`. */
  readonly bytes?: Buffer
}

/** One file's content, whatever its name is. */
class Inode {
  durable: Buffer
  pending: Change[] = []

  constructor(bytes: Buffer) {
    this.durable = bytes
  }

  sync(): void {
    for (const change of this.pending) this.durable = apply(this.durable, change)
    this.pending = []
  }
}

interface Naming {
  readonly name: string
  /** Absent: the name was removed. */
  readonly inode: Inode | undefined
}

function apply(file: Buffer, { offset, bytes }: Change): Buffer {
  if (bytes === undefined) return resized(file, offset)
  const target = offset + bytes.length > file.length ? resized(file, offset + bytes.length) : file
  bytes.copy(target, offset)
  return target
}

/** Over-allocates, as files grow page by page. */
function resized(file: Buffer, length: number): Buffer {
  const whole = Buffer.from(file.buffer, file.byteOffset)
  if (length <= file.length) return file.subarray(0, length)
  if (whole.length >= length) {
    whole.fill(0, file.length, length)
    return whole.subarray(0, length)
  }
  const target = Buffer.alloc(Math.max(length * 2, 65_536)).subarray(0, length)
  file.copy(target)
  return target
}

export const WAYS = ['none', 'prefix', 'torn'] as const
type Way = (typeof WAYS)[number]

/** What would be found on the disk after a power cut: file contents by name. */
export type Image = ReadonlyMap<string, Buffer>

/**
 * Replays a trace of file operations. What was not synced when the power went is lost whole, kept up to some point in
 * time, or kept in parts: any subset of the writes, each torn at sectors. Names follow the journal of the folder: a
 * prefix of its changes is kept, at least up to its last sync and to the making of every file that was synced itself.
 */
export class PowerTrace {
  readonly #trace: Buffer
  readonly #names = new Map<number, string>()
  #durable = new Map<string, Inode>()
  #naming: Naming[] = []
  readonly #live = new Map<string, Inode>()
  #position = 0
  #at = 0
  #marker: string | undefined

  /** `folder` as it was when the trace began. */
  constructor(trace: Buffer, folder: string) {
    this.#trace = trace
    for (const name of readdirSync(folder)) {
      const inode = new Inode(readFileSync(join(folder, name)))
      this.#durable.set(name, inode)
      this.#live.set(name, inode)
    }
  }

  /** The newest line that the program wrote to its file `marks`. */
  get marker(): string | undefined {
    return this.#marker
  }

  /** @returns false at the end of the trace */
  step(): boolean {
    if (this.#position + HEADER_BYTES > this.#trace.length) return false
    const kind = this.#trace.readUInt32LE(this.#position)
    const file = this.#trace.readUInt32LE(this.#position + 4)
    const offset = Number(this.#trace.readBigUInt64LE(this.#position + 8))
    const length = Number(this.#trace.readBigUInt64LE(this.#position + 16))
    const from = this.#position + HEADER_BYTES
    const hasBytes = kind === KIND.write || kind === KIND.named
    const bytes = this.#trace.subarray(from, hasBytes ? from + length : from)
    this.#position = from + bytes.length
    this.#at++
    if (kind === KIND.named) this.#names.set(file, bytes.toString())
    else this.#take({ kind, file, offset, bytes })
    return true
  }

  #take({ kind, file, offset, bytes }: { kind: number; file: number; offset: number; bytes: Buffer }): void {
    if (kind === KIND.sync && file === FOLDER) this.#keepNames(this.#naming.length)
    const name = this.#names.get(file)
    if (name === undefined) return
    if (name === 'marks') {
      if (kind === KIND.write) this.#marker = bytes.toString()
      return
    }
    const inode = this.#live.get(name)
    if (kind === KIND.create) this.#name(name, new Inode(Buffer.alloc(0)))
    else if (kind === KIND.unlink) this.#name(name, undefined)
    else if (kind === KIND.rename) {
      this.#name(this.#names.get(offset) ?? '', inode)
      this.#name(name, undefined)
    } else if (kind === KIND.write) inode?.pending.push({ at: this.#at, offset, bytes })
    else if (kind === KIND.truncate) inode?.pending.push({ at: this.#at, offset })
    else if (kind === KIND.sync && inode) {
      inode.sync()
      const made = this.#naming.findLastIndex((naming) => naming.inode === inode)
      this.#keepNames(made + 1)
    }
  }

  #name(name: string, inode: Inode | undefined): void {
    this.#naming.push({ name, inode })
    if (inode) this.#live.set(name, inode)
    else this.#live.delete(name)
  }

  #keepNames(count: number): void {
    for (const naming of this.#naming.splice(0, count)) rename(this.#durable, naming)
  }

  cut(way: Way, draw: Draw): Image {
    const names = new Map(this.#durable)
    const kept = way === 'none' ? 0 : draw(this.#naming.length + 1)
    for (const naming of this.#naming.slice(0, kept)) rename(names, naming)
    const pending = [...names.values()].flatMap((inode) => inode.pending.map(({ at }) => at)).sort((a, b) => a - b)
    const until = pending[draw(pending.length + 1)] ?? Number.POSITIVE_INFINITY
    const image = new Map<string, Buffer>()
    for (const [name, inode] of names) image.set(name, survivor(inode, { way, until, draw }))
    return image
  }
}

interface Fate {
  readonly way: Way
  readonly until: number
  readonly draw: Draw
}

function survivor({ durable, pending }: Inode, { way, until, draw }: Fate): Buffer {
  let file: Buffer = Buffer.from(durable)
  for (const change of pending) {
    if (way === 'torn') file = applyTorn(file, change, draw)
    else if (way === 'prefix' && change.at < until) file = apply(file, change)
  }
  return file
}

function rename(names: Map<string, Inode>, { name, inode }: Naming): void {
  if (inode) names.set(name, inode)
  else names.delete(name)
}

function applyTorn(file: Buffer, change: Change, draw: Draw): Buffer {
  const { bytes, offset } = change
  const luck = draw(4)
  if (luck === 0) return file
  if (bytes === undefined || luck === 1) return apply(file, change)
  let torn = file
  for (let from = 0; from < bytes.length; ) {
    const to = Math.min(bytes.length, from + SECTOR - ((offset + from) % SECTOR))
    if (draw(2) === 1) torn = apply(torn, { ...change, offset: offset + from, bytes: bytes.subarray(from, to) })
    from = to
  }
  return torn
}
