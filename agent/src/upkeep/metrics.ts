import { Counter, Gauge, Registry } from 'prom-client'

/**
 * A figure of the agent, read at scrape time. A name that ends in `_total` is a counter, any other a gauge. With `by` it
 * is one value per label, such as a receiver or a class of traffic.
 */
export interface Figure {
  readonly name: string
  readonly help: string
  readonly by?: string
  readonly read: () => number | Readonly<Record<string, number>>
}

/**
 * Metrics carry no tag, room or person: totals, and what belongs to the installation itself.
 * @returns a registry whose names all start with `biotrakr_agent_`
 */
export function createMetrics(figures: readonly Figure[]): Registry {
  const registry = new Registry()
  for (const { name: short, help, by, read } of figures) {
    const name = `biotrakr_agent_${short}`
    const labelNames = by === undefined ? [] : [by]
    const settings = { name, help, labelNames, registers: [registry] }
    if (name.endsWith('_total')) {
      new Counter({
        ...settings,
        collect() {
          this.reset()
          for (const [labels, value] of samplesOf(by, read())) this.inc(labels, value)
        },
      })
    } else {
      new Gauge({
        ...settings,
        collect() {
          this.reset()
          for (const [labels, value] of samplesOf(by, read())) this.set(labels, value)
        },
      })
    }
  }
  return registry
}

function samplesOf(
  by: string | undefined,
  value: number | Readonly<Record<string, number>>,
): [Record<string, string>, number][] {
  if (typeof value === 'number') return [[{}, value]]
  return Object.entries(value).map(([label, each]) => [{ [by ?? 'of']: label }, each])
}
