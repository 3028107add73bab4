import { once } from 'node:events'
import { createWriteStream, openSync } from 'node:fs'

import { BioTrakrError } from '@biotrakr/shared'

import { captureLine, type OnHeard } from '../sources.ts'

export interface Recording {
  readonly take: OnHeard
  /** Settles when all is on disk. */
  close(): Promise<{ readonly written: number; readonly dropped: number }>
}

const MAX_WAITING_BYTES = 16_000_000

/**
 * A new capture file that only its owner can read. An advert names its sender: without `everybody` only those of the
 * site's tags are written.
 * @throws BioTrakrError USAGE when the file is there already or cannot be made
 */
export function openRecording(path: string, everybody: boolean): Recording {
  const stream = createWriteStream(path, { fd: newFile(path) })
  let written = 0
  let dropped = 0
  let failure: Error | undefined
  stream.on('error', (error) => {
    failure = error
  })
  return {
    take(report, whose) {
      if (failure || ('unknown' in whose && !everybody)) return
      if (stream.writableLength > MAX_WAITING_BYTES) {
        dropped += 1
        return
      }
      written += 1
      stream.write(`${captureLine(report)}\n`)
    },
    async close() {
      if (!failure) {
        stream.end()
        await once(stream, 'close')
      }
      if (failure) throw unwritable(path, failure)
      return { written, dropped }
    },
  }
}

function newFile(path: string): number {
  try {
    return openSync(path, 'wx', 0o600)
  } catch (cause) {
    throw unwritable(path, cause)
  }
}

function unwritable(path: string, cause: unknown): BioTrakrError {
  return new BioTrakrError(`cannot write ${path}`, { code: 'USAGE', next: 'Name a file that is not there yet.', cause })
}
