import type { SurveyEvents } from './calibrate-events.ts'
import type { Terminal } from './calibrate-terminal.ts'

interface Asking {
  readonly events: SurveyEvents
  readonly terminal: Terminal
}

interface Typing {
  readonly terminal: Terminal
  readonly line: string
}

const BACKSPACE = new Set(['\u007f', '\b'])
const MAX_LINE = 200

/** @returns the typed line, trimmed; undefined when input has ended */
export async function askLine({ events, terminal }: Asking, question: string): Promise<string | undefined> {
  terminal.write(question)
  let line = ''
  for (;;) {
    const event = await events.next()
    if (event.kind !== 'key') continue
    if (event.key === 'end') return undefined
    if (event.key === 'enter' || !terminal.isKeyed) {
      terminal.say()
      return event.key === 'enter' ? line.trim() : event.key
    }
    line = typed({ terminal, line }, event.key)
  }
}

function typed({ terminal, line }: Typing, key: string): string {
  if (BACKSPACE.has(key)) {
    if (line !== '') terminal.write('\b \b')
    return line.slice(0, -1)
  }
  if (key < ' ' || line.length >= MAX_LINE) return line
  terminal.write(key)
  return line + key
}
