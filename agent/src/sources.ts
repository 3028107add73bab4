import { tagIdOfReport } from '@biotrakr/firmware-profiles'
import type { Clock, Random, ReceiverId, TagId } from '@biotrakr/shared'
import type { Logger } from 'pino'

import type { BleAdapterOptions } from './acquire/ble-adapter.ts'
import { replayBleCapture } from './acquire/ble-capture.ts'
import type { BleCaptureCounts } from './acquire/ble-capture-tally.ts'
import { type BleReport, createBleSource } from './acquire/ble-source.ts'
import { readDataset } from './acquire/dataset.ts'
import { createDatasetSource } from './acquire/dataset-source.ts'
import { createLlrpSource, type LlrpSource } from './acquire/llrp-source.ts'
import { createSerialSource, type SerialSource } from './acquire/serial-source.ts'
import type { AllowList, Source } from './acquire/source.ts'
import { type BleKeys, readBleKeys } from './ble-keys.ts'
import type { BleAdapterConfig } from './config-ble.ts'
import type { ReaderConfig } from './config-reader.ts'
import { decodeAdvert } from './decode/advert.ts'
import { type DescribeOptions, type Description, describeAdvert as describe } from './decode/describe.ts'
import { createRecogniser, type Recogniser } from './decode/recogniser.ts'
import { nodeAes } from './node-crypto-port.ts'
import { openProfiles } from './profile-store.ts'

/**
 * What the agent can hear with. This file alone knows acquire and decode together: bytes from the air or the wire come
 * in, readings of the site's tags go out.
 */
export type { BleAdapterOptions } from './acquire/ble-adapter.ts'
export { captureLine } from './acquire/ble-capture-frame.ts'
export { type BluetoothKernel, createBluetoothKernel } from './acquire/ble-kernel.ts'
export type { BleReport } from './acquire/ble-source.ts'
export { scaledClock } from './acquire/scaled-clock.ts'
export { listSerialDevices, type SerialDevice } from './acquire/serial-list.ts'
export type { Source } from './acquire/source.ts'
export type { Description } from './decode/describe.ts'

interface BleParts {
  readonly name?: string
  readonly adapters: readonly BleAdapterOptions[]
  readonly allow: AllowList
  readonly keys?: BleKeys
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly onHeard?: OnHeard
}

/**
 * A configured source of Bluetooth adapters.
 * @throws BioTrakrError CONFIG_UNREADABLE, CONFIG_INVALID for its file of keys
 */
export function bleParts(
  { adapters, keysFile }: { readonly adapters: readonly BleAdapterConfig[]; readonly keysFile?: string | undefined },
  tags: readonly TagId[],
): Pick<BleParts, 'adapters' | 'keys'> {
  return {
    adapters: adapters.map(({ address, index, port, baudRate, ...rest }) => ({
      ...rest,
      target: targetOf({ address, index, port, baudRate }),
    })),
    ...(keysFile && { keys: readBleKeys(keysFile, tags) }),
  }
}

type Target = BleAdapterOptions['target']

function targetOf({
  address,
  index,
  port,
  baudRate,
}: Pick<BleAdapterConfig, 'address' | 'index' | 'port' | 'baudRate'>): Target {
  if (port !== undefined) return { uart: port, ...(baudRate !== undefined && { baudRate }) }
  return address === undefined ? { index: index ?? 0 } : { address }
}

export type Whose = ReturnType<Recogniser['recognise']>
/** Is told of every advert and whose it is. The report is good during the call only. */
export type OnHeard = (report: BleReport, whose: Whose) => void

/** Bluetooth adapters as a source of the site's tags; its status says of everybody else how many. */
export function openBle({ name, adapters, allow, keys, clock, random, log, onHeard }: BleParts): Source {
  const recogniser = createRecogniser({ allow, ...keys, aes: nodeAes, random })
  const source = createBleSource({
    ...(name && { name }),
    adapters,
    clock,
    log,
    recognise(report) {
      const { receiver, address, addressType, bytes, rssiDbm, atMs } = report
      const isPublic = addressType === 'public' || addressType === 'publicIdentity'
      const whose = recogniser.recognise({ address, addressType: isPublic ? 'public' : 'random', payload: bytes }, atMs)
      onHeard?.(report, whose)
      if ('unknown' in whose) return undefined
      const { tag, telemetry } = whose
      return {
        tag,
        receiver,
        atMs,
        medium: 'BLE',
        ...(rssiDbm !== undefined && { rssiDbm }),
        ...(telemetry && { telemetry }),
      }
    },
  })
  return { ...source, status: () => ({ ...source.status(), strangers: recogniser.unknown() }) }
}

interface ReaderParts {
  readonly clock: Clock
  readonly allow: AllowList
  readonly random: Random
  readonly log: Logger
}

/**
 * A configured reader as a source of the site's tags, by its profile.
 * @throws BioTrakrError PROFILE_INVALID, PORT_ADDRESS or READER_SETTINGS
 */
export function openReader(
  config: ReaderConfig,
  { clock, allow, random, log }: ReaderParts,
): SerialSource | LlrpSource {
  const { name, address, region, powerDbm, busAddress, baud, parameters } = config
  const store = openProfiles(config.profile)
  const receivers = new Map(
    Object.entries(config.antennas).map(([antenna, receiver]) => [Number(antenna), receiver as ReceiverId]),
  )
  const parts = {
    name,
    address,
    receivers,
    tagOf: tagIdOfReport,
    clock,
    // Where there are readers, time is real.
    eventClock: clock,
    random,
    allow,
    log: log.child({ stage: 'acquire' }),
  }
  if (store.isBuiltIn(store.id)) {
    const settings = { region, powerDbm, parameters, address: busAddress, baud }
    return createLlrpSource({ ...parts, profile: store.loadBuiltIn(store.id), settings })
  }
  return createSerialSource({
    ...parts,
    allowUnstablePath: config.allowUnstablePath,
    driver: store.load(store.id),
    settings: { region, powerDbm, parameters, address: busAddress, baud },
  })
}

interface DatasetPlay {
  readonly clock: Clock
  readonly allow: AllowList
  /** Event time of the recording's first row, wall milliseconds. */
  readonly startMs: number
  readonly log: Logger
}

/** A recorded data set as a source. Rows that cannot be used are counted, and the first of them named in the log. */
export function openDataset(
  { dir, part }: { readonly dir: string; readonly part: 'train' | 'test' },
  { clock, allow, startMs, log }: DatasetPlay,
): Source {
  const { name, rows, medium, problems, counts } = readDataset(dir, { part })
  if (problems.total > 0) {
    log.warn({ event: 'dataset.rows_skipped', dir, ...counts, first: problems.first }, 'some rows cannot be used')
  }
  return createDatasetSource({ name: `dataset ${name}`, rows, medium, clock, startMs, allow })
}

/** Runs a BLE capture file through the decoder. @throws BioTrakrError CAPTURE_UNREADABLE */
export function replayBle({ path, allow }: { readonly path: string; readonly allow: AllowList }): BleCaptureCounts {
  return replayBleCapture({ path, allow, decode: decodeAdvert, onReading: () => undefined })
}

/** Everything that one BLE advert says, for the command line. Never throws, whatever the bytes. */
export function describeAdvert(bytes: Uint8Array, options: Omit<DescribeOptions, 'aes'>): Description {
  return describe(bytes, { ...options, aes: nodeAes })
}
