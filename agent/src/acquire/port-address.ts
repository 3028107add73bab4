import { BioTrakrError } from '@biotrakr/shared'

/** Where a reader is: a serial device of this machine, or a serial device server (or reader) in the network. */
export type PortAddress =
  | { readonly kind: 'serial'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

interface AddressOptions {
  /** Takes a path such as /dev/ttyUSB0 as it is. */
  readonly allowUnstablePath?: boolean
  /** TCP port where the address names none. */
  readonly defaultPort?: number | undefined
}

/** Names the kernel gives out in the order of discovery: after a restart or replug they may mean another device. */
const UNSTABLE = /^\/dev\/tty(?:USB|ACM)\d+$/

/**
 * Reads `serial:/dev/serial/by-id/...` or `tcp://host:port`.
 * @throws BioTrakrError PORT_ADDRESS
 */
export function parsePortAddress(text: string, options: AddressOptions = {}): PortAddress {
  if (text.startsWith('serial:')) return serialAddress(text.slice('serial:'.length), options)
  if (text.startsWith('tcp://')) return tcpAddress(text, options)
  throw refused(`${text} is neither serial:/dev/... nor tcp://host:port`, 'Correct the address.')
}

function serialAddress(path: string, { allowUnstablePath = false }: AddressOptions): PortAddress {
  if (!/^\/[\x21-\x7e]+$/.test(path) || path.split('/').includes('..')) {
    throw refused(`serial:${path} does not name a device by its whole path`, 'Write serial:/dev/serial/by-id/...')
  }
  if (UNSTABLE.test(path) && !allowUnstablePath) {
    throw refused(
      `${path} is given out in the order of discovery and may be another device after the next restart or replug`,
      'Take the name that `ls -l /dev/serial/by-id` shows for it, or set allowUnstablePath: true.',
    )
  }
  return { kind: 'serial', path }
}

function tcpAddress(text: string, { defaultPort }: AddressOptions): PortAddress {
  const match = /^tcp:\/\/(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?\/?$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? defaultPort : Number(match[3])
  if (host === undefined || port === undefined || port < 1 || port > 65_535) {
    throw refused(`${text} is not tcp://host:port with a port from 1 to 65535`, 'Correct the address.')
  }
  return { kind: 'tcp', host, port }
}

function refused(message: string, next: string): BioTrakrError {
  return new BioTrakrError(message, { code: 'PORT_ADDRESS', next })
}
