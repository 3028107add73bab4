import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'

import { BioTrakrError } from '@biotrakr/shared'
import { z } from 'zod'

/**
 * An encrypted backup: `BTBACKUP`, a version byte, the length of the header (uint32, big endian), the header as JSON,
 * then frames of at most 1 MiB. A frame is its length (uint32; the top bit marks the last one), the ciphertext and a tag
 * of 16 bytes. AES-256-GCM with a key of its own for each file (HKDF-SHA-256 of the backup key and the header's salt);
 * the nonce is the number of the frame, and the header, that number and whether it is the last one are authenticated, so
 * that frames can be neither changed, moved, repeated nor left out. The first frame is the manifest, the others the dump.
 */
const MAGIC = Buffer.from('BTBACKUP')
const VERSION = 1
const FRAME_BYTES = 1_048_576
const TAG_BYTES = 16
const LAST = 0x8000_0000
const MAX_HEADER_BYTES = 65_536
const KEY_BYTES = 32

const headerSchema = z.strictObject({
  /** ISO 8601, UTC. */
  createdAt: z.iso.datetime(),
  database: z.string(),
  /** `server_version` and version of TimescaleDB, where there is one. */
  server: z.string(),
  extension: z.string().nullable(),
  /** The newest migration. */
  migration: z.string(),
  salt: z.base64(),
})

/** What can be read without the key. */
export type BackupHeader = Readonly<z.infer<typeof headerSchema>>

/** @param salt of the header, base64 */
function fileKey(key: Uint8Array, salt: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, Buffer.from(salt, 'base64'), 'biotrakr backup', KEY_BYTES))
}

export const newSalt = (): string => randomBytes(16).toString('base64')

function nonceOf(index: number): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeBigUInt64BE(BigInt(index), 4)
  return nonce
}

function boundTo(header: Buffer, index: number, isLast: boolean): Buffer {
  const digest = createHash('sha256').update(header).digest()
  return Buffer.concat([digest, nonceOf(index), Buffer.of(isLast ? 1 : 0)])
}

/** @param manifest at most 1 MiB of JSON */
export async function* sealBackup(
  header: BackupHeader,
  key: Uint8Array,
  { manifest, dump }: { readonly manifest: string; readonly dump: AsyncIterable<Uint8Array> },
): AsyncGenerator<Buffer> {
  const headerBytes = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(headerBytes.length)
  yield Buffer.concat([MAGIC, Buffer.of(VERSION), length, headerBytes])
  const secret = fileKey(key, header.salt)
  let index = 0
  const frame = (content: Uint8Array, isLast: boolean): Buffer => {
    const cipher = createCipheriv('aes-256-gcm', secret, nonceOf(index))
    cipher.setAAD(boundTo(headerBytes, index, isLast))
    const sealed = Buffer.concat([cipher.update(content), cipher.final()])
    const prefix = Buffer.alloc(4)
    prefix.writeUInt32BE((sealed.length | (isLast ? LAST : 0)) >>> 0)
    index += 1
    return Buffer.concat([prefix, sealed, cipher.getAuthTag()])
  }
  yield frame(Buffer.from(manifest), false)
  let waiting: Buffer[] = []
  let bytes = 0
  for await (const part of dump) {
    waiting.push(Buffer.from(part.buffer, part.byteOffset, part.byteLength))
    bytes += part.byteLength
    while (bytes > FRAME_BYTES) {
      const all = Buffer.concat(waiting)
      yield frame(all.subarray(0, FRAME_BYTES), false)
      waiting = [all.subarray(FRAME_BYTES)]
      bytes -= FRAME_BYTES
    }
  }
  yield frame(Buffer.concat(waiting), true)
}

export interface OpenBackup {
  readonly header: BackupHeader
  readonly manifest: string
  /** The dump, to be read once. Throws BACKUP_DAMAGED where the file is not what was written. */
  readonly dump: AsyncIterable<Buffer>
}

/** @throws BioTrakrError BACKUP_DAMAGED or BACKUP_KEY */
export async function openBackup(path: string, key: Uint8Array): Promise<OpenBackup> {
  const reader = createReader(createReadStream(path, { highWaterMark: FRAME_BYTES }), path)
  const { header, bytes } = await readHeader(reader, path)
  const secret = fileKey(key, header.salt)
  let index = 0
  const next = async (): Promise<{ content: Buffer; isLast: boolean }> => {
    const prefix = (await reader.take(4)).readUInt32BE()
    const [length, isLast] = [(prefix & ~LAST) >>> 0, (prefix & LAST) !== 0]
    if (length > FRAME_BYTES) throw damaged(path)
    const sealed = await reader.take(length + TAG_BYTES)
    const cipher = createDecipheriv('aes-256-gcm', secret, nonceOf(index))
    cipher.setAAD(boundTo(bytes, index, isLast))
    cipher.setAuthTag(sealed.subarray(length))
    try {
      const content = Buffer.concat([cipher.update(sealed.subarray(0, length)), cipher.final()])
      index += 1
      return { content, isLast }
    } catch (cause) {
      throw index === 0 ? wrongKey(path, cause) : damaged(path)
    }
  }
  const first = await next()
  async function* dump(): AsyncGenerator<Buffer> {
    for (let isLast = first.isLast; !isLast; ) {
      const frame = await next()
      isLast = frame.isLast
      yield frame.content
    }
    if (!(await reader.isAtEnd())) throw damaged(path)
  }
  return { header, manifest: first.content.toString('utf8'), dump: dump() }
}

/** @throws BioTrakrError BACKUP_DAMAGED */
export async function readBackupHeader(path: string): Promise<BackupHeader> {
  const stream = createReadStream(path, { end: MAX_HEADER_BYTES })
  return (await readHeader(createReader(stream, path), path)).header
}

async function readHeader(reader: Reader, path: string): Promise<{ header: BackupHeader; bytes: Buffer }> {
  const start = await reader.take(MAGIC.length + 1)
  if (!start.subarray(0, MAGIC.length).equals(MAGIC) || start.at(-1) !== VERSION) throw damaged(path)
  const length = (await reader.take(4)).readUInt32BE()
  if (length > MAX_HEADER_BYTES) throw damaged(path)
  const bytes = await reader.take(length)
  try {
    return { header: headerSchema.parse(JSON.parse(bytes.toString('utf8'))), bytes }
  } catch (cause) {
    throw damaged(path, cause)
  }
}

interface Reader {
  /** @throws BioTrakrError BACKUP_DAMAGED when the file ends before */
  take(length: number): Promise<Buffer>
  isAtEnd(): Promise<boolean>
}

function createReader(source: AsyncIterable<Buffer>, path: string): Reader {
  const chunks = source[Symbol.asyncIterator]()
  let held: Buffer = Buffer.alloc(0)
  const fill = async (length: number): Promise<boolean> => {
    const parts = [held]
    let bytes = held.length
    while (bytes < length) {
      const { done, value } = await chunks.next()
      if (done) break
      parts.push(value)
      bytes += value.length
    }
    held = parts.length === 1 ? held : Buffer.concat(parts)
    return bytes >= length
  }
  return {
    take: async (length) => {
      if (!(await fill(length))) throw damaged(path)
      const taken = held.subarray(0, length)
      held = held.subarray(length)
      return taken
    },
    isAtEnd: async () => !(await fill(1)),
  }
}

function damaged(path: string, cause?: unknown): BioTrakrError {
  return new BioTrakrError(`${path} is no whole backup of this product`, {
    code: 'BACKUP_DAMAGED',
    next: 'Take another one; `biotrakr-cloud backup list` shows which there are.',
    ...(cause !== undefined && { cause }),
  })
}

function wrongKey(path: string, cause: unknown): BioTrakrError {
  return new BioTrakrError(`${path} cannot be opened with this key, or its beginning is damaged`, {
    code: 'BACKUP_KEY',
    next: 'Name the key file that was in use when it was made.',
    cause,
  })
}
