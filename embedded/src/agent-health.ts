import type { AgentHealth } from '@biotrakr/agent'

/** @returns the agent's health document, undefined when it does not answer */
export async function readAgentHealth(port: number): Promise<AgentHealth | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(2_000) })
    return (await response.json()) as AgentHealth
  } catch {
    return undefined
  }
}

/** True when everything there was to hear has been heard. */
export function hasFinished({ sources }: Pick<AgentHealth, 'sources'>): boolean {
  return sources.length > 0 && sources.every(({ state }) => state === 'finished')
}

/** Adds up a counter that begins again at 0 whenever its process does. */
export class RunningTotal {
  #before = 0
  #newest = 0

  take(value: number): void {
    if (value < this.#newest) this.#before += this.#newest
    this.#newest = value
  }

  get sum(): number {
    return this.#before + this.#newest
  }
}
