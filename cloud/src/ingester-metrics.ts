import { Counter, Gauge, Histogram, Registry } from 'prom-client'

import type { IngesterStatus } from './ingester.ts'

/** Counters of one ingester. Names follow the Prometheus convention: base units, `_total` for counters. */
export interface IngesterMetrics {
  readonly registry: Registry
  readonly batches: Counter
  readonly records: Counter<'kind'>
  readonly repeated: Counter
  readonly quarantined: Counter<'code'>
  readonly staged: Counter
  readonly strays: Counter<'code'>
  readonly acks: Counter
  readonly nacks: Counter
  readonly refusals: Counter<'code'>
  readonly notices: Counter<'code'>
  readonly transaction: Histogram
  readonly ackLatency: Histogram
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60]

/** @param status read when the metrics are collected */
export function createIngesterMetrics(status: () => IngesterStatus): IngesterMetrics {
  const registry = new Registry()
  const registers = [registry]
  const counter = (name: string, help: string) =>
    new Counter({ name: `biotrakr_ingest_${name}_total`, help, registers })
  const labelled = <L extends string>(name: string, help: string, label: L) =>
    new Counter({ name: `biotrakr_ingest_${name}_total`, help, labelNames: [label], registers })
  const seconds = (name: string, help: string) =>
    new Histogram({ name: `biotrakr_ingest_${name}_seconds`, help, buckets: SECONDS, registers })
  const gauge = (name: string, help: string, read: (now: IngesterStatus) => number) =>
    new Gauge({
      name: `biotrakr_ingest_${name}`,
      help,
      registers,
      collect() {
        this.set(read(status()))
      },
    })
  gauge('breaker_open', '1 while the database is not to be had', (now) => (now.database.breaker === 'open' ? 1 : 0))
  gauge('broker_up', '1 while connected to the broker and subscribed', (now) => (now.broker.state === 'up' ? 1 : 0))
  gauge('timed_records', 'Records that waited for their time and have got it since the start', (now) => now.timed)
  gauge('shards', 'Shards of the ledger that are read here, of 64', (now) => now.shards)
  gauge('intake_batches', 'Batches waiting to be decoded', (now) => now.intake.batches)
  gauge('intake_bytes', 'Bytes of the batches waiting to be decoded', (now) => now.intake.bytes)
  gauge('parked_batches', 'Batches waiting for an earlier one', (now) => now.parked)
  gauge('gateways_online', 'Gateways that last said they are online', (now) => now.gatewaysOnline)
  gauge('dropped_batches', 'Batches let go for want of room since the start', (now) => now.intake.dropped)
  gauge('unusable_messages', 'Messages with a wrong topic, size or form since the start', (now) => now.unusable)
  return {
    registry,
    batches: counter('batches', 'Batches answered with an acknowledgement'),
    records: labelled('records', 'Records committed', 'kind'),
    repeated: counter('repeated_records', 'Records that had been committed before'),
    quarantined: labelled('quarantined', 'Quarantine rows written for records and unreadable batches', 'code'),
    staged: counter('staged', 'Rows of records laid by until their time is known'),
    strays: labelled('strays', 'Messages from which nothing is recorded', 'code'),
    acks: counter('acks', 'Commit acknowledgements sent'),
    nacks: counter('nacks', 'Requests to send again from an earlier record'),
    notices: labelled('store_notices', 'Twins, replaced and restored stores of gateways', 'code'),
    refusals: labelled('refusals', 'Gateways told that nothing of theirs is taken', 'code'),
    transaction: seconds('transaction', 'Time from borrowing a connection to the end of the commit'),
    ackLatency: seconds('ack', 'Time from the arrival of a batch to its acknowledgement'),
  }
}
