/** 3 bits reserved, 3 version, 10 type, 32 length with this header, 32 message id (LLRP 1.0.1, binary encoding). */
export const LLRP_HEADER_BYTES = 10

/** About 17,000 tag reports in one message. A longer message is taken for a broken stream. */
const MAX_MESSAGE_BYTES = 1_048_576

const FIRST_ROOM = 4_096

interface LlrpFraming {
  /** Whole messages, in order. */
  readonly frames: readonly Uint8Array[]
  /** Why nothing more can be read: TCP loses no bytes, so there is no place to start again. Close the connection. */
  readonly garbage?: string
}

export interface LlrpFramer {
  /** Takes the next bytes of the connection, cut anywhere. After garbage every call repeats the verdict. */
  push(chunk: Uint8Array): LlrpFraming
  /** Bytes held of a message that has not arrived whole; never more than the longest message. */
  readonly heldBytes: number
}

/** Cuts one connection's bytes into messages by their length. One framer per connection. */
export function createLlrpFramer({ maxBytes = MAX_MESSAGE_BYTES }: { maxBytes?: number } = {}): LlrpFramer {
  let held = new Uint8Array(FIRST_ROOM)
  let heldBytes = 0
  let garbage: string | undefined

  /** Length of the message that starts at `at`: 0 while unknown, -1 for garbage. */
  function lengthAt(bytes: Uint8Array, at: number, end: number): number {
    if (end - at < 1) return 0
    const first = bytes[at] as number
    const version = (first >> 2) & 0x07
    if (first >> 5 !== 0 || version < 1 || version > 2) {
      garbage = `a message starts with 0x${first.toString(16).padStart(2, '0')}, which is not LLRP 1.0.1 or 1.1`
      return -1
    }
    if (end - at < 6) return 0
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at + 2)
    if (length >= LLRP_HEADER_BYTES && length <= maxBytes) return length
    garbage = `a message claims ${length} bytes; possible are ${LLRP_HEADER_BYTES} to ${maxBytes}`
    return -1
  }

  function hold(chunk: Uint8Array, from: number, to: number): void {
    const size = heldBytes + to - from
    if (size > held.length) {
      const larger = new Uint8Array(Math.min(Math.max(size, held.length * 2), Math.max(size, maxBytes)))
      larger.set(held.subarray(0, heldBytes))
      held = larger
    }
    held.set(chunk.subarray(from, to), heldBytes)
    heldBytes = size
  }

  /** Adds to the held beginning of a message. @returns how many bytes of the chunk that took */
  function complete(chunk: Uint8Array, frames: Uint8Array[]): number {
    let at = 0
    while (heldBytes > 0) {
      const length = lengthAt(held, 0, heldBytes)
      if (length === heldBytes) {
        frames.push(held.slice(0, length))
        heldBytes = 0
      }
      if (length < 0 || heldBytes === 0 || at === chunk.length) break
      const wanted = length === 0 ? LLRP_HEADER_BYTES : length
      const to = Math.min(chunk.length, at + wanted - heldBytes)
      hold(chunk, at, to)
      at = to
    }
    return at
  }

  /** Takes whole messages straight from the chunk and holds what is left of it. */
  function scan(chunk: Uint8Array, from: number, frames: Uint8Array[]): void {
    let at = from
    while (at < chunk.length) {
      const length = lengthAt(chunk, at, chunk.length)
      if (length < 0) return
      if (length === 0 || at + length > chunk.length) {
        hold(chunk, at, chunk.length)
        return
      }
      frames.push(chunk.subarray(at, at + length))
      at += length
    }
  }

  return {
    get heldBytes() {
      return heldBytes
    },
    push(chunk) {
      const frames: Uint8Array[] = []
      if (garbage === undefined) {
        const at = complete(chunk, frames)
        if (garbage === undefined) scan(chunk, at, frames)
      }
      return garbage === undefined ? { frames } : { frames, garbage }
    },
  }
}
