/** What a process held at one moment. */
export interface Sample {
  /** Simulated hours since the start. */
  readonly hour: number
  /** Resident memory, MiB. */
  readonly rssMb: number
  /** Open file descriptors: files, sockets, timers of the kernel. */
  readonly handles: number
  readonly threads: number
}

interface Change {
  /** Medians of the first and the last quarter of what came after the warm-up. */
  readonly before: number
  readonly after: number
}

export interface Verdict {
  readonly rss: Change & { readonly growthPercent: number; readonly highestMb: number }
  readonly handles: Change
  readonly threads: Change
  /** Growth of memory at most 5 %, handles and threads no more than a few beyond what they were. */
  readonly isFlat: boolean
}

/** What happens in the first hour is warm-up: buffers, caches and compiled code reach their size. */
const WARM_UP_HOURS = 1
const MOST_GROWTH_PERCENT = 5
/** A connection that happens to be open just then. */
const MOST_HANDLES = 2

/** @param samples in order of time; when the run was shorter than twice the warm-up, its first half counts as warm-up */
export function judge(samples: readonly Sample[]): Verdict {
  const last = samples.at(-1)?.hour ?? 0
  const warm = samples.filter(({ hour }) => hour >= Math.min(WARM_UP_HOURS, last / 2))
  const rss = changeOf(warm.map(({ rssMb }) => rssMb))
  const handles = changeOf(warm.map((sample) => sample.handles))
  const threads = changeOf(warm.map((sample) => sample.threads))
  const growthPercent = (rss.after / rss.before - 1) * 100
  const isFlat =
    growthPercent <= MOST_GROWTH_PERCENT &&
    [handles, threads].every(({ before, after }) => after <= before + MOST_HANDLES)
  const highestMb = Math.max(...samples.map(({ rssMb }) => rssMb))
  return { rss: { ...rss, growthPercent, highestMb }, handles, threads, isFlat }
}

function changeOf(values: readonly number[]): Change {
  const quarter = Math.max(1, Math.floor(values.length / 4))
  return { before: median(values.slice(0, quarter)), after: median(values.slice(-quarter)) }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
}
