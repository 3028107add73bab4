import { Counter, Gauge, Registry } from 'prom-client'

/** A figure of the agent, read at scrape time. A name that ends in `_total` is a counter, any other a gauge. */
export interface Figure {
  readonly name: string
  readonly help: string
  readonly read: () => number
}

/**
 * Metrics carry no tag, room or person: only totals.
 * @returns a registry whose names all start with `biotrakr_agent_`
 */
export function createMetrics(figures: readonly Figure[]): Registry {
  const registry = new Registry()
  const registers = [registry]
  for (const figure of figures) {
    const { help, read } = figure
    const name = `biotrakr_agent_${figure.name}`
    if (name.endsWith('_total')) {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset()
          this.inc(read())
        },
      })
    } else {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read())
        },
      })
    }
  }
  return registry
}
