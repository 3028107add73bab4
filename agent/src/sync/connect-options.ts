import type { ConnectionOptions } from 'node:tls'

import { type GatewayId, type GatewayState, topics } from '@biotrakr/shared'
import type { IClientOptions } from 'mqtt'

/** Where the broker is and how this gateway proves itself. Secrets come as values that were read from files. */
export interface BrokerAccess {
  /** `mqtts://host:port`, or `mqtt://` on the same machine. */
  readonly url: string
  /** The gateway id where absent. */
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** PEM. */
  readonly ca?: Buffer | undefined
  readonly cert?: Buffer | undefined
  readonly key?: Buffer | undefined
}

interface Wanted {
  readonly gateway: GatewayId
  readonly software: string
  readonly broker: BrokerAccess
  readonly keepaliveSeconds: number
  readonly connectTimeoutMs: number
}

/** Room for an ack that lists every quarantined run it may. */
const MAX_INCOMING_BYTES = 2 * 1024 * 1024
const PORTS = { mqtt: 1883, mqtts: 8883 } as const

/** @returns `host:port`, for messages */
export function brokerName({ url }: BrokerAccess): string {
  const { host, port } = addressOf(url)
  return `${host}:${port}`
}

export function connectOptions({ gateway, software, broker, keepaliveSeconds, connectTimeoutMs }: Wanted) {
  const offline: GatewayState = { online: false, software }
  const { protocol, host, port } = addressOf(broker.url)
  const options: IClientOptions & Pick<ConnectionOptions, 'minVersion'> = {
    protocol,
    host,
    port,
    clientId: gateway,
    username: broker.username ?? gateway,
    protocolVersion: 5,
    clean: true,
    properties: { sessionExpiryInterval: 0, maximumPacketSize: MAX_INCOMING_BYTES },
    will: { topic: topics.state(gateway), payload: Buffer.from(JSON.stringify(offline)), qos: 1, retain: true },
    keepalive: keepaliveSeconds,
    reschedulePings: true,
    connectTimeout: connectTimeoutMs,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    ...(broker.password !== undefined && { password: broker.password }),
    ...(protocol === 'mqtts' && tlsOptions(broker)),
  }
  return options
}

/** Server certificate and its name are always checked; mqtt.js names the host for SNI where it is not an address. */
function tlsOptions({ ca, cert, key }: BrokerAccess) {
  return {
    minVersion: 'TLSv1.3' as const,
    rejectUnauthorized: true,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  }
}

/** Taken apart here, because mqtt.js would take user, password and client id from the url as well. */
export function addressOf(url: string) {
  const { protocol, hostname, port } = new URL(url)
  const scheme = protocol === 'mqtt:' ? 'mqtt' : 'mqtts'
  return { protocol: scheme, host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || PORTS[scheme] } as const
}
