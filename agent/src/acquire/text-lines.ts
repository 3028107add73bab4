import { closeSync, openSync, readSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'

/** Longest line kept, in UTF-16 code units: far above any honest row, and a file without line ends stays harmless. */
const MAX_LINE = 65_536
const CHUNK_BYTES = 65_536

export interface TextLine {
  /** From 1, as editors count. */
  readonly number: number
  /** Without its line end; undefined when the line is longer than 65,536 characters and was let go. */
  readonly text: string | undefined
}

/**
 * The lines of a UTF-8 file, one at a time, at most one of them in memory. LF and CRLF both end a line; a byte order
 * mark is dropped. Reads synchronously: for recordings at start-up and on the command line, not for a running gateway.
 * @throws what `node:fs` throws when the file cannot be opened or read
 */
export function* textLines(path: string): Generator<TextLine, void, void> {
  const file = openSync(path, 'r')
  try {
    const decoder = new StringDecoder('utf8')
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    let number = 0
    let held: string | undefined = ''
    let size = readSync(file, buffer)
    let text = decoder.write(buffer.subarray(0, size))
    if (text.startsWith('\uFEFF')) text = text.slice(1)
    while (size > 0) {
      const [first = '', ...others] = text.split('\n')
      held = join(held, first)
      for (const part of others) {
        number += 1
        yield { number, text: finish(held) }
        held = join('', part)
      }
      size = readSync(file, buffer)
      text = size > 0 ? decoder.write(buffer.subarray(0, size)) : ''
    }
    held = join(held, decoder.end())
    if (held !== '') yield { number: number + 1, text: finish(held) }
  } finally {
    closeSync(file)
  }
}

function join(held: string | undefined, more: string): string | undefined {
  return held === undefined || held.length + more.length > MAX_LINE ? undefined : held + more
}

function finish(line: string | undefined): string | undefined {
  return line?.endsWith('\r') ? line.slice(0, -1) : line
}
