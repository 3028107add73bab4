/** Rows that could not be used: every one counted, the first few kept word for word. */
export interface Problems {
  readonly total: number
  /** `file:line: what`, at most 20 of them. */
  readonly first: readonly string[]
}

const KEPT = 20

export interface ProblemLog extends Problems {
  add(line: number, what: string): void
}

/** @param file how the file is named in every line */
export function createProblemLog(file: string): ProblemLog {
  const first: string[] = []
  let total = 0
  return {
    first,
    get total() {
      return total
    },
    add(line, what) {
      total += 1
      if (first.length < KEPT) first.push(`${file}:${line}: ${what}`)
    },
  }
}
