import type { Outcome } from './reader-exchange.ts'

/** An antenna that the reader does not work with. */
export interface AntennaTrouble {
  readonly antenna: number
  readonly text: string
}

type Refusal = Exclude<Outcome, { kind: 'ok' }>

/** An antenna that was refused is tried again after this long: somebody may have put it on. */
const RETRY_MS = 10_000

/** The antennas of one reader: whose turn it is, and which of them do not work. */
export class ReaderAntennas {
  readonly #all: readonly number[]
  readonly #troubles = new Map<number, { readonly text: string; readonly retryAtMs: number }>()
  #turn = 0

  constructor(antennas: readonly number[]) {
    this.#all = antennas
  }

  /** Those that the set-up went through for. */
  get inUse(): readonly number[] {
    return this.#all.filter((antenna) => this.#troubles.get(antenna)?.retryAtMs !== Infinity)
  }

  get troubles(): readonly AntennaTrouble[] {
    return [...this.#troubles].map(([antenna, { text }]) => ({ antenna, text }))
  }

  /** The set-up begins: each gets another chance. */
  begin(): void {
    this.#troubles.clear()
  }

  /**
   * Takes an antenna out of use until the next set-up: without its settings it must not transmit.
   * @returns false when no other is left
   */
  exclude(antenna: number, refusal: Refusal): boolean {
    this.#troubles.set(antenna, { text: refusalWords(refusal), retryAtMs: Infinity })
    return this.inUse.length > 0
  }

  /** The next in turn, those left out for a while that were refused; one of these only when there is no other. */
  next(nowMs: number): number | undefined {
    const { inUse } = this
    const inTurn = inUse.map((_, n) => inUse[(this.#turn + n) % inUse.length])
    const isReady = (antenna?: number) => nowMs >= (this.#troubles.get(antenna ?? 0)?.retryAtMs ?? 0)
    const antenna = inTurn.find(isReady) ?? inTurn[0]
    if (antenna !== undefined) this.#turn = inUse.indexOf(antenna) + 1
    return antenna
  }

  worked(antenna: number): void {
    this.#troubles.delete(antenna)
  }

  /** What is mere information, such as a round without tags, is no refusal. */
  refused(antenna: number, refusal: Refusal, nowMs: number): void {
    if (refusal.kind === 'failed' && refusal.reply.error?.severity === 'info') this.worked(antenna)
    else this.#troubles.set(antenna, { text: refusalWords(refusal), retryAtMs: nowMs + RETRY_MS })
  }
}

/** Why a command was not carried out. */
export function refusalWords(refusal: Refusal): string {
  if (refusal.kind === 'silent') return 'no answer'
  const { error } = refusal.reply
  return error === undefined ? 'no reason given' : (error.text ?? `error ${error.code}`)
}
