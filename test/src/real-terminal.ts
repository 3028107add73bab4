import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

/** A program in a real terminal (tmux), driven as a person drives it: by looking at the screen and pressing keys. */
export interface RealTerminal {
  /** Presses keys, in the words of tmux: `Enter`, `C-c`, or a character. */
  press(...keys: string[]): void
  /** Everything that was shown so far, without the empty lines at the end. */
  shown(): string
  /** Waits until what was shown fits. @throws when it does not within the time, with what was shown instead */
  until(isThere: (shown: string) => boolean, words: string): Promise<string>
  /** Ends the terminal as a lost connection does. */
  hangUp(): void
}

const WAIT_MS = 60_000
const LOOK_MS = 40
let count = 0

/** @param command a line for the shell; the terminal stays open after it has ended */
export function openRealTerminal(command: string): RealTerminal {
  count += 1
  const socket = `biotrakr-test-${process.pid}-${count}`
  const tmux = (...words: string[]): string =>
    execFileSync('tmux', ['-L', socket, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  tmux(
    '-f',
    '/dev/null',
    'new-session',
    '-d',
    '-x',
    '120',
    '-y',
    '40',
    `${command}; echo "exit code $?"; exec sleep 600`,
  )
  tmux('set-option', '-g', 'history-limit', '20000')
  const shown = (): string => tmux('capture-pane', '-p', '-J', '-S', '-').trimEnd()
  return {
    press: (...keys) => void tmux('send-keys', ...keys),
    shown,
    async until(isThere, words) {
      for (const endMs = Date.now() + WAIT_MS; Date.now() < endMs; await sleep(LOOK_MS)) {
        const now = shown()
        if (isThere(now)) return now
      }
      throw new Error(`the terminal never showed ${words}; it shows:\n${shown()}`)
    },
    hangUp() {
      try {
        tmux('kill-server')
      } catch {
        // It has ended already.
      }
    },
  }
}
