import type { HeardNow } from '../survey-ear.ts'

export type SurveyEvent =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'second'; readonly now: HeardNow }
  | { readonly kind: 'trouble'; readonly words: string }

/** What happens during a survey, in its order: keys, seconds and troubles. */
export interface SurveyEvents {
  key(key: string): void
  second(now: HeardNow): void
  trouble(words: string): void
  /**
   * The next event. Once input has ended, or the user has stopped, keys are `end`.
   * @param keys false: keys wait
   */
  next(keys?: boolean): Promise<SurveyEvent>
  /** Forgets the seconds that were heard while nobody asked. */
  dropSeconds(): void
}

/** Seconds that wait: more pass only while the terminal is stopped. */
const MAX_SECONDS = 120
const MAX_KEYS = 10_000
const END: SurveyEvent = { kind: 'key', key: 'end' }

export function createSurveyEvents(): SurveyEvents {
  const keys: string[] = []
  let others: SurveyEvent[] = []
  let isEnded = false
  let isStopped = false
  let wake = (): void => undefined
  const other = (event: SurveyEvent): void => {
    others.push(event)
    if (others.length > MAX_SECONDS) others.shift()
    wake()
  }
  const ready = (takesKeys: boolean): SurveyEvent | undefined => {
    if (isStopped) return END
    const key = takesKeys ? keys.shift() : undefined
    if (key !== undefined) return { kind: 'key', key }
    return isEnded && takesKeys ? END : others.shift()
  }
  return {
    key(key) {
      if (key === 'stop') isStopped = true
      else if (key === 'end') isEnded = true
      else if (keys.length < MAX_KEYS) keys.push(key)
      wake()
    },
    second: (now) => other({ kind: 'second', now }),
    trouble: (words) => other({ kind: 'trouble', words }),
    dropSeconds() {
      others = others.filter(({ kind }) => kind !== 'second')
    },
    async next(takesKeys = true) {
      let event = ready(takesKeys)
      while (!event) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        event = ready(takesKeys)
      }
      return event
    },
  }
}
