import type { Clock } from '@biotrakr/shared'

interface Progress {
  readonly phase: string
  readonly done: number
  readonly of: number
  readonly unit: string
}

interface Screen {
  readonly isTTY?: boolean
  write(text: string): unknown
}

const BAR = 24
const EVERY_MS = { screen: 200, pipe: 5_000 }

/** Shows how far an import is: a bar with rate and time left on a terminal, a line now and then on a pipe. */
export function createProgress(screen: Screen, clock: Clock, { quiet }: { readonly quiet: boolean }) {
  const isScreen = screen.isTTY === true
  const everyMs = isScreen ? EVERY_MS.screen : EVERY_MS.pipe
  let phase = ''
  let startMs = 0
  let shownMs = 0
  let isOpen = false
  const end = () => {
    if (isOpen) screen.write('\n')
    isOpen = false
  }
  return {
    show(progress: Progress): void {
      if (quiet) return
      const nowMs = clock.wallMs()
      if (progress.phase !== phase) {
        end()
        phase = progress.phase
        startMs = nowMs
        shownMs = isScreen ? 0 : nowMs
      }
      if (nowMs - shownMs < everyMs && !(isScreen && progress.done >= progress.of)) return
      shownMs = nowMs
      const line = lineOf(progress, (nowMs - startMs) / 1_000)
      screen.write(isScreen ? `\r${bar(progress)} ${line}\u001B[K` : `${line}\n`)
      isOpen = isScreen
    },
    end,
  }
}

function lineOf({ phase, done, of, unit }: Progress, seconds: number): string {
  const rate = seconds > 0 ? done / seconds : 0
  const left = rate > 0 ? `${Math.ceil((of - done) / rate)} s left` : ''
  const what =
    unit === 'bytes'
      ? `${mega(done)} of ${mega(of)} MB, ${mega(rate)} MB/s`
      : `${done} of ${of} rows, ${Math.round(rate)} rows/s`
  return `${phase}: ${Math.floor((100 * done) / Math.max(1, of))} %, ${what}${left && `, ${left}`}`
}

function mega(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1)
}

function bar({ done, of }: Progress): string {
  const full = Math.round((BAR * done) / Math.max(1, of))
  return `[${'#'.repeat(full)}${'.'.repeat(BAR - full)}]`
}
