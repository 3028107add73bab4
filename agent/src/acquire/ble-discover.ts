import type { AdvertReport, BleAddressType } from './ble-reports.ts'

/** What noble's public `discover` hands out; fields come and go with the advert. */
export interface Peripheral {
  readonly address?: string
  readonly addressType?: string
  readonly rssi?: number
  readonly advertisement?: {
    readonly manufacturerData?: Uint8Array
    readonly serviceData?: readonly { readonly uuid: string; readonly data: Uint8Array }[]
    readonly serviceUuids?: readonly string[]
  }
}

const SERVICE_UUIDS = 0x03
const SERVICE_DATA = 0x16
const MANUFACTURER = 0xff
const RSSI_NOT_AVAILABLE = 127
const MAX_STRUCTURE = 254

/**
 * An advert from noble's public event, its AD structures written anew. The second best: frames of one address have been
 * merged by then, and what noble did not parse is gone.
 */
export function reportOfPeripheral(peripheral: Peripheral, atMs: number): AdvertReport {
  const { address = '', addressType, rssi, advertisement = {} } = peripheral
  const report = {
    address: Uint8Array.from(address.split(':'), (byte) => Number.parseInt(byte, 16)),
    addressType: addressTypeOf(addressType),
    bytes: adStructures(advertisement),
    atMs,
  }
  return rssi === undefined || rssi === RSSI_NOT_AVAILABLE ? report : { ...report, rssiDbm: rssi }
}

function addressTypeOf(type: string | undefined): BleAddressType {
  return type === 'public' || type === 'random' ? type : 'unknown'
}

function adStructures(advertisement: NonNullable<Peripheral['advertisement']>): Uint8Array {
  const { manufacturerData, serviceData = [], serviceUuids = [] } = advertisement
  const structures: (readonly [number, readonly number[]])[] = [
    ...serviceUuids.filter(isShort).map((uuid) => [SERVICE_UUIDS, uuidBytes(uuid)] as const),
    ...serviceData
      .filter(({ uuid }) => isShort(uuid))
      .map(({ uuid, data }) => [SERVICE_DATA, [...uuidBytes(uuid), ...data]] as const),
  ]
  if (manufacturerData) structures.push([MANUFACTURER, [...manufacturerData]])
  return Uint8Array.from(
    structures
      .filter(([, data]) => data.length <= MAX_STRUCTURE)
      .flatMap(([type, data]) => [data.length + 1, type, ...data]),
  )
}

/** 16-bit services only: beacons use no others. Noble leaves out leading zeros. */
function isShort(uuid: string): boolean {
  return uuid.length <= 4
}

function uuidBytes(uuid: string): readonly number[] {
  const value = Number.parseInt(uuid, 16)
  return [value & 0xff, value >> 8]
}
