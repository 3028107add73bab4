import { BioTrakrError } from '@biotrakr/shared'

import { type ChildOptions, type ChildSpec, SupervisedChild } from './child.ts'

const TRIM_EVERY_MS = 60_000

/** What runs in this process and ends after the children. */
interface Companion {
  stop(): Promise<void>
}

/** The running children, in the order in which they were started. */
export class Household {
  readonly #options: ChildOptions
  readonly #children: SupervisedChild[] = []
  readonly #companions: Companion[] = []
  #trimming: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: ChildOptions) {
    this.#options = options
  }

  /** Starts a process and resolves when it serves. @throws BioTrakrError CHILD_FAILED */
  async start(spec: ChildSpec): Promise<void> {
    const child = new SupervisedChild(spec, this.#options)
    this.#children.push(child)
    this.#trimming ??= setInterval(() => {
      for (const each of this.#children) each.trimLog()
    }, TRIM_EVERY_MS)
    if (this.#closed)
      throw new BioTrakrError('the launcher is stopping', { code: 'CHILD_FAILED', next: 'Start again.' })
    await child.start()
  }

  /** Takes over what has been started in this process. */
  keep(companion: Companion): void {
    this.#companions.push(companion)
  }

  /** Ends one process in an orderly way; one that was never started is no error. */
  async stop(name: string): Promise<void> {
    await this.#children.find((child) => child.name === name)?.stop()
  }

  /** Ends all in an orderly way, one after the other, the last started first. Nothing can be started afterwards. */
  async stopAll(): Promise<void> {
    this.#closed = true
    clearInterval(this.#trimming)
    for (const child of [...this.#children].reverse()) await child.stop()
    for (const companion of this.#companions.splice(0)) await companion.stop()
  }

  /** Ends all at once. */
  killAll(): void {
    this.#closed = true
    for (const child of this.#children) child.kill()
  }

  restarts(): number {
    return this.#children.reduce((sum, child) => sum + child.restarts, 0)
  }
}
