/** Just enough of MQTT 5 (OASIS, sections 2.1, 3.3 and 3.4) to lose, repeat and reorder whole messages on a line. */
const PUBLISH = 3
const PUBACK = 4

/** Cuts a stream of bytes into control packets. */
export function createPacketReader(): (bytes: Buffer) => Buffer[] {
  let kept = Buffer.alloc(0)
  return (bytes) => {
    kept = Buffer.concat([kept, bytes])
    const packets: Buffer[] = []
    for (let size = packetSize(kept); size !== undefined && size <= kept.length; size = packetSize(kept)) {
      packets.push(kept.subarray(0, size))
      kept = kept.subarray(size)
    }
    return packets
  }
}

/** @returns the size of the packet that begins here, undefined when its length is not all here yet */
function packetSize(bytes: Buffer): number | undefined {
  let length = 0
  for (let i = 1; i <= 4; i++) {
    const byte = bytes[i]
    if (byte === undefined) return undefined
    length += (byte & 0x7f) * 128 ** (i - 1)
    if (byte < 0x80) return 1 + i + length
  }
  return undefined
}

export function isPublish(packet: Buffer): boolean {
  return (packet.readUInt8(0) & 0xf0) >> 4 === PUBLISH
}

/** @returns what a receiver answers to a QoS 1 message; undefined for a message that needs no answer */
export function pubackFor(packet: Buffer): Buffer | undefined {
  if ((packet.readUInt8(0) & 0x06) >> 1 !== 1) return undefined
  let at = 1
  while ((packet.readUInt8(at) & 0x80) !== 0) at++
  const id = at + 3 + packet.readUInt16BE(at + 1)
  return Buffer.from([PUBACK << 4, 2, packet.readUInt8(id), packet.readUInt8(id + 1)])
}
