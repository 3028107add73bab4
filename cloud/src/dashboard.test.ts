import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, it } from 'vitest'

import { createIngesterMetrics } from './ingester-metrics.ts'
import { createServeMetrics } from './serve/metrics.ts'

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[]
}

it('every figure of the Grafana dashboard is one that a process of the centre gives', () => {
  const file = join(import.meta.dirname, '../../deploy/grafana/dashboards/biotrakr.json')
  const { panels } = JSON.parse(readFileSync(file, 'utf8')) as Dashboard
  const unread = () => {
    throw new Error('no figure is read here')
  }
  const serve = createServeMetrics({
    feed: unread,
    heard: {} as never,
    alarms: {} as never,
    refresh: unread,
    viewers: unread,
    stream: {} as never,
    tags: unread,
    newestAgeS: unread,
  })
  const registries = [createIngesterMetrics(unread).registry, serve.registry]
  const given = new Set(registries.flatMap((registry) => registry.getMetricsAsArray().map(({ name }) => name)))
  const used = panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => expr.match(/biotrakr_\w+/g) ?? []))
  expect(used.length).toBeGreaterThan(panels.length)
  expect(used.filter((name) => !given.has(name.replace(/_bucket$/, '')))).toEqual([])
})
