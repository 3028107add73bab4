import type { Clock, Reading, ReceiverId } from '@biotrakr/shared'
import type { Logger } from 'pino'

import { type BleAdapter, type BleAdapterOptions, type BleAdapterStatus, createBleAdapter } from './ble-adapter.ts'
import { type BluetoothKernel, createBluetoothKernel } from './ble-kernel.ts'
import type { AdvertReport } from './ble-reports.ts'
import type { Source, SourceStatus } from './source.ts'

/** An advert and the adapter that heard it. */
export interface BleReport extends AdvertReport {
  readonly receiver: ReceiverId
}

interface BleSourceOptions {
  readonly name?: string
  readonly adapters: readonly BleAdapterOptions[]
  /** Whose advert it is. Only what it makes of one leaves the source; an advert of nobody's is forgotten on the spot. */
  readonly recognise: (report: BleReport) => Reading | undefined
  readonly clock: Clock
  readonly log: Logger
  /** Default: this machine's. */
  readonly kernel?: BluetoothKernel
}

interface BleSourceStatus extends SourceStatus {
  readonly adapters: readonly BleAdapterStatus[]
}

export interface BleSource extends Source {
  status(): BleSourceStatus
}

/**
 * Bluetooth adapters as a source, through noble. It starts whatever state the adapters are in, and keeps trying: what is
 * missing is said in the status, and one adapter's trouble is no other's. It never connects to anything.
 */
export function createBleSource(options: BleSourceOptions): BleSource {
  const { name = 'ble', clock, log, recognise } = options
  const kernel = options.kernel ?? createBluetoothKernel({ clock })
  let state: 'new' | 'started' | 'stopped' = 'new'
  let take: (reading: Reading) => void = () => undefined
  let readings = 0
  let unrecognisable = 0

  function reported(report: AdvertReport, receiver: ReceiverId): void {
    if (state !== 'started') return
    let reading: Reading | undefined
    try {
      reading = recognise({ ...report, receiver })
    } catch {
      unrecognisable += 1
    }
    if (reading === undefined) return
    readings += 1
    take(reading)
  }

  const adapters = options.adapters.map((adapter): BleAdapter => {
    const onReport = (report: AdvertReport) => reported(report, adapter.receiver)
    return createBleAdapter(adapter, { kernel, clock, log, onReport })
  })

  return {
    name,
    receivers: options.adapters.map(({ receiver }) => receiver),
    async start(onReading) {
      if (state !== 'new') return
      state = 'started'
      take = onReading
      for (const adapter of adapters) adapter.start()
    },
    async stop() {
      state = 'stopped'
      for (const adapter of adapters) adapter.stop()
    },
    status() {
      const all = adapters.map((adapter) => adapter.status())
      return {
        state: state === 'stopped' ? 'finished' : stateOf(all),
        detail: all.map(describe).join('; '),
        readings,
        watchesSilence: true,
        errors: all.reduce((sum, { failures, counts }) => sum + failures + counts.malformed, unrecognisable),
        down: all.filter(isDown).map(({ receiver }) => receiver),
        adapters: all,
      }
    },
  }
}

function stateOf(adapters: readonly BleAdapterStatus[]): SourceStatus['state'] {
  if (adapters.some(({ scanning, verdict }) => scanning && verdict !== 'deaf')) return 'up'
  return adapters.some(isDown) ? 'failed' : 'starting'
}

function isDown({ scanning, failure, verdict }: BleAdapterStatus): boolean {
  return verdict === 'deaf' || (!scanning && failure !== undefined)
}

function describe(status: BleAdapterStatus): string {
  const { receiver, failure, scanning, degraded, alarm } = status
  const mark = alarm ? 'ALARM ' : ''
  if (!scanning) return `${mark}${receiver}: ${failure ?? 'opening'}`
  const reservation = degraded === undefined ? '' : `; degraded, reports may be merged or lost: ${degraded}`
  return `${mark}${receiver}: ${hearing(status)}${reservation}`
}

function hearing({ verdict, silentMs, ratePerSecond, reference, mode }: BleAdapterStatus): string {
  const seconds = Math.round(silentMs / 1_000)
  if (verdict === 'deaf') return `deaf: nothing heard for ${seconds} s`
  if (verdict === 'quiet')
    return `nothing heard for ${seconds} s: a quiet floor, or deaf; a reference beacon would tell`
  const beacon = reference === 'missing' ? ', but not its reference beacon: check the beacon' : ''
  return `scans (${mode}), ${ratePerSecond.toFixed(1)} adverts/s${beacon}`
}
