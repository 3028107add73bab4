/** Which rate and layout of frames a reader speaks: pairs tried in turn, the one that worked last time first. */
export class LineProbe {
  readonly #bauds: readonly number[]
  readonly #layouts: number
  #place = 0
  #tried = 0

  constructor(bauds: readonly number[], layouts: number) {
    this.#bauds = bauds
    this.#layouts = Math.max(1, layouts)
  }

  get baud(): number {
    return this.#bauds[Math.floor(this.#place / this.#layouts)] ?? 0
  }

  get layout(): number {
    return this.#place % this.#layouts
  }

  get candidates(): number {
    return this.#bauds.length * this.#layouts
  }

  /** The present pair becomes the first of a new turn. */
  begin(): void {
    this.#tried = 0
  }

  /** Takes the next pair: what differs from the one before, or `none` when each was tried in this turn. */
  next(): 'layout' | 'baud' | 'none' {
    const before = this.baud
    this.#place = (this.#place + 1) % this.candidates
    this.#tried += 1
    if (this.#tried >= this.candidates) return 'none'
    return this.baud === before ? 'layout' : 'baud'
  }

  /** A whole frame came: this is how the reader speaks. */
  learn(layout: number): void {
    if (layout < this.#layouts) this.#place += layout - this.layout
  }
}
