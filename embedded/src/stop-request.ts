const AGAIN_MS = 1_000

/** The wish to end, from a signal or from the run itself; a second signal means at once. */
export class StopRequest {
  readonly #asked = new AbortController()
  readonly #onForce: () => void
  #askedAt = 0

  /** @param onForce runs when somebody asks a second time and does not want to wait */
  constructor(onForce: () => void) {
    this.#onForce = onForce
  }

  get signal(): AbortSignal {
    return this.#asked.signal
  }

  /**
   * A signal has arrived. Ctrl-C reaches this process twice, from the terminal and again through npm, so a repetition
   * within a second is the same wish.
   * @param nowMs monotonic milliseconds
   */
  bySignal(nowMs: number): void {
    if (!this.signal.aborted) {
      this.#askedAt = nowMs
      this.#asked.abort()
    } else if (nowMs - this.#askedAt >= AGAIN_MS) this.#onForce()
  }
}
