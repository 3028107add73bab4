import { closeSync, fsyncSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { crc32, deflateRawSync } from 'node:zlib'

import { BioTrakrError, type Reading, type ReceiverId } from '@biotrakr/shared'

import { BLOCK, BLOCK_HEAD_BYTES, type CaptureStep, lineOfStep, MAGIC, VERSION } from './capture-format.ts'

interface CaptureOptions {
  /** A file that is not there yet; only its owner can read it. */
  readonly path: string
  /** All that the answers depend on besides the steps. */
  readonly header: object
  /** Most bytes of one file. */
  readonly maxBytes: number
  /** Files kept, this one included: a full one is followed by `path.2` and so on. Without it, a full file is the end. */
  readonly rotate?: number
}

export interface CaptureStatus {
  readonly state: 'writing' | 'full' | 'failed' | 'ended'
  readonly readings: number
  readonly closes: number
  /** Steps that came after the end, or that could not be written. */
  readonly dropped: number
  /** Over all files, the deleted ones too. */
  readonly bytes: number
  /** Files written, the deleted ones too. */
  readonly files: number
  readonly failure: string | undefined
}

export interface CaptureWriter {
  took(reading: Reading, nowMs: number): void
  closed(nowMs: number, down?: readonly ReceiverId[]): void
  /** Writes what is held and the end. */
  end(): void
  status(): CaptureStatus
}

const BLOCK_BYTES = 64 * 1_024
/** A crash costs no more windows than this. */
const BLOCK_CLOSES = 5
/** Room for the end of a file. */
const END_BYTES = 512

/**
 * Writes a capture, bounded in size, a block every few seconds. What cannot be written ends the capture and not the agent.
 * @throws BioTrakrError USAGE when the file is there already or cannot be made
 */
export function createCapture(options: CaptureOptions): CaptureWriter {
  const files = createFiles(options)
  const counts = { readings: 0, closes: 0, dropped: 0 }
  let state: CaptureStatus['state'] = 'writing'
  let failure: string | undefined
  let lines: string[] = []
  let heldBytes = 0
  let heldCloses = 0

  const totals = () => ({ readings: counts.readings, closes: counts.closes })

  function flush(): void {
    const steps = block(BLOCK.steps, `${lines.join('\n')}\n`)
    if (lines.length > 0 && !files.put(steps, totals())) {
      state = 'full'
      counts.dropped += lines.length
    }
    lines = []
    heldBytes = 0
    heldCloses = 0
  }

  /** Runs what writes; a disk that is full or gone ends the capture. */
  function guarded(write: () => void): void {
    try {
      write()
    } catch (error) {
      state = 'failed'
      failure = error instanceof Error ? error.message : String(error)
      counts.dropped += lines.length
      lines = []
      files.abandon()
    }
  }

  function add(step: CaptureStep): void {
    if (state !== 'writing') {
      counts.dropped += 1
      return
    }
    counts[step.kind === 'close' ? 'closes' : 'readings'] += 1
    const line = lineOfStep(step)
    lines.push(line)
    heldBytes += line.length
    if (step.kind === 'close') heldCloses += 1
    if (heldBytes >= BLOCK_BYTES || heldCloses >= BLOCK_CLOSES) guarded(flush)
  }

  return {
    took: (reading, nowMs) => add({ kind: 'reading', reading, nowMs }),
    closed: (nowMs, down = []) => add({ kind: 'close', nowMs, ...(down.length > 0 && { down }) }),
    end() {
      if (state !== 'writing') return
      guarded(() => {
        flush()
        if (state !== 'writing') return
        files.finish('ended', totals())
        state = 'ended'
      })
    },
    status: () => ({ state, failure, ...counts, bytes: files.bytes(), files: files.count() }),
  }
}

type Totals = Pick<CaptureStatus, 'readings' | 'closes'>

/** The files of one capture, one of them open. */
function createFiles({ path, header, maxBytes, rotate }: CaptureOptions) {
  let count = 0
  let bytes = 0
  let size = 0
  let fd = open()

  function open(): number {
    count += 1
    const name = nameOf(path, count)
    try {
      const opened = openSync(name, 'wx', 0o600)
      size = 0
      write(opened, Buffer.from([...Buffer.from(MAGIC, 'latin1'), VERSION]))
      write(opened, block(BLOCK.header, JSON.stringify({ ...header, file: count })))
      return opened
    } catch (cause) {
      const next = 'Name a file that is not there yet, in a folder that can be written.'
      throw new BioTrakrError(`cannot write ${name}`, { code: 'USAGE', next, cause })
    }
  }

  function write(to: number, content: Buffer): void {
    for (let from = 0; from < content.length; ) from += writeSync(to, content, from)
    size += content.length
    bytes += content.length
  }

  function finish(why: string, totals: Totals): void {
    write(fd, block(BLOCK.end, JSON.stringify({ why, ...totals })))
    fsyncSync(fd)
    closeSync(fd)
  }

  return {
    finish,
    bytes: () => bytes,
    count: () => count,
    /** @returns false when the last file is full; it has got its end then */
    put(content: Buffer, totals: Totals): boolean {
      if (size + content.length + END_BYTES > maxBytes) {
        finish('full', totals)
        if (rotate === undefined) return false
        fd = open()
        const oldest = count - rotate
        if (oldest >= 1) unlinkSync(nameOf(path, oldest))
      }
      write(fd, content)
      return true
    },
    /** Lets go of a file that cannot be written. */
    abandon(): void {
      try {
        closeSync(fd)
      } catch {
        // It was closed before the next could be made.
      }
    },
  }
}

/** `path` itself, then `path.2`, `path.3` and so on. */
function nameOf(path: string, file: number): string {
  return file === 1 ? path : `${path}.${file}`
}

function block(kind: number, text: string): Buffer {
  const raw = Buffer.from(text)
  const stored = deflateRawSync(raw)
  const head = Buffer.alloc(BLOCK_HEAD_BYTES - 4)
  head.writeUInt8(kind, 0)
  head.writeUInt32LE(stored.length, 1)
  head.writeUInt32LE(raw.length, 5)
  const crc = Buffer.alloc(4)
  crc.writeUInt32LE(crc32(stored, crc32(head)), 0)
  return Buffer.concat([head, crc, stored])
}
