import { createInterface } from 'node:readline'

/**
 * A plain terminal for a walk: keys where there is a terminal, typed lines where input is piped. No screen is taken over,
 * so that it works over any SSH connection and leaves its story behind.
 */
export interface Terminal {
  /** Whether keys come one by one; otherwise a line is a key. */
  readonly isKeyed: boolean
  /** Prints one line. */
  say(line?: string): void
  /** The line that is drawn anew every second; where output is no terminal it is not shown at all. */
  live(line: string): void
  /** Writes on the current line. */
  write(text: string): void
  bold(text: string): string
  colour(text: string, colour: 'green' | 'yellow' | 'red'): string
  close(): void
}

interface TerminalOptions {
  /** Is told of every key: `enter`, a character, a line; `end` when input ends; `stop` when the user or the system asks. */
  readonly onKey: (key: string) => void
  readonly input?: NodeJS.ReadStream
  readonly output?: NodeJS.WriteStream
}

const CODES = { green: 32, yellow: 33, red: 31 } as const
const CTRL_C = '\u0003'
const CTRL_D = '\u0004'
const ESCAPE = '\u001b'
const CLEAR = `\r${ESCAPE}[K`

export function openTerminal({ onKey, input = process.stdin, output = process.stdout }: TerminalOptions): Terminal {
  const isKeyed = input.isTTY === true
  const isShown = output.isTTY === true
  const isColoured = isShown && process.env['NO_COLOR'] === undefined && process.env['TERM'] !== 'dumb'
  let isLive = false
  const stopped = (): void => onKey('stop')
  const clear = (): void => {
    if (isLive) output.write(CLEAR)
    isLive = false
  }
  const release = isKeyed ? takeKeys(input, onKey) : takeLines(input, onKey)
  // The connection is gone: what is on disk stays.
  output.on('error', stopped)
  process.on('SIGHUP', stopped).on('SIGTERM', stopped).on('SIGINT', stopped)
  return {
    isKeyed,
    say(line = '') {
      clear()
      output.write(`${line}\n`)
    },
    live(line) {
      if (!isShown) return
      output.write(`${CLEAR}${line.slice(0, Math.max(20, output.columns - 1))}`)
      isLive = true
    },
    write(text) {
      clear()
      output.write(text)
    },
    bold: (text) => (isColoured ? `${ESCAPE}[1m${text}${ESCAPE}[22m` : text),
    colour: (text, colour) => (isColoured ? `${ESCAPE}[${CODES[colour]}m${text}${ESCAPE}[39m` : text),
    close() {
      clear()
      release()
      output.off('error', stopped)
      process.off('SIGHUP', stopped).off('SIGTERM', stopped).off('SIGINT', stopped)
    },
  }
}

function takeKeys(input: NodeJS.ReadStream, onKey: (key: string) => void): () => void {
  const take = (bytes: Buffer): void => {
    const text = bytes.toString('utf8')
    // An arrow or another key of several bytes means nothing here.
    if (text.startsWith(ESCAPE)) return
    for (const character of text) {
      if (character === '\r' || character === '\n') onKey('enter')
      else onKey(character === CTRL_C || character === CTRL_D ? 'stop' : character)
    }
  }
  const ended = (): void => onKey('end')
  input.setRawMode(true)
  input.on('data', take).on('end', ended).on('close', ended)
  input.resume()
  return () => {
    input.off('data', take).off('end', ended).off('close', ended)
    input.setRawMode(false)
    input.pause()
  }
}

function takeLines(input: NodeJS.ReadStream, onKey: (key: string) => void): () => void {
  const lines = createInterface({ input, terminal: false })
  const ended = (): void => onKey('end')
  lines.on('line', (line) => onKey(line.trim() === '' ? 'enter' : line.trim())).on('close', ended)
  return () => {
    lines.off('close', ended).close()
    input.pause()
  }
}
