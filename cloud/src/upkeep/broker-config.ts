import { aclPatterns, filters } from '@biotrakr/shared'

/**
 * Configuration of mosquitto 2 for a centre: the template in deploy/mosquitto is this function's answer, and so is what
 * the tests run. Gateways and the centre's own processes have a listener and an authority each: a gateway's certificate
 * opens nothing but its own listener, where its name is also its client id.
 */
interface BrokerWish {
  /** Where gateways connect. */
  readonly gateways: Address
  /** Where `ingest` and `serve` connect; not for the network outside. */
  readonly centre: Address
  /** Certificate of the broker with its key; both authorities; the revocation list of the gateways' one. */
  readonly certFile: string
  readonly keyFile: string
  readonly gatewayCaFile: string
  readonly centreCaFile: string
  readonly revocationListFile: string
  readonly aclFile: string
  readonly pidFile?: string
  /** Account that it changes to when it is started by root; mosquitto's own by default. */
  readonly user?: string
  readonly maxGateways?: number
}

interface Address {
  readonly port: number
  /** All addresses of the machine without one. */
  readonly bind?: string
}

/** Largest packet: a batch is at most 256 KiB, with room for its topic and properties. */
const MAX_PACKET_BYTES = 266_240

/** @returns the text of mosquitto.conf */
export function brokerConfig(wish: BrokerWish): string {
  const { gateways, centre, maxGateways = 2_000 } = wish
  const lines = [
    '# mosquitto 2.0 or later, for a BioTrakr centre.',
    '',
    '# Batches are kept by the gateways until the centre has committed them: the broker need not keep anything.',
    'persistence false',
    'per_listener_settings false',
    'allow_anonymous false',
    `acl_file ${wish.aclFile}`,
    ...(wish.pidFile === undefined ? [] : [`pid_file ${wish.pidFile}`]),
    ...(wish.user === undefined ? [] : [`user ${wish.user}`]),
    '',
    '# Without it small answers wait 40 ms for more to send.',
    'set_tcp_nodelay true',
    `max_packet_size ${MAX_PACKET_BYTES}`,
    'max_inflight_messages 20',
    '# For one receiver; never 0, which means no limit. What is dropped here is sent again by its gateway.',
    'max_queued_messages 1000',
    'max_queued_bytes 67108864',
    'queue_qos0_messages false',
    'max_keepalive 300',
    'persistent_client_expiration 1h',
    'sys_interval 0',
    'log_dest stderr',
    'log_type error',
    'log_type warning',
    'log_type notice',
    'log_type information',
    '',
    '# Gateways: a certificate of the gateway authority that is not on its revocation list.',
    listenerLine(gateways),
    `max_connections ${maxGateways}`,
    'max_topic_alias 0',
    ...tls(wish, wish.gatewayCaFile),
    '# Must be renewed before its next update is due, or every gateway is refused; `biotrakr-cloud enroll` does so.',
    `crlfile ${wish.revocationListFile}`,
    'use_identity_as_username true',
    '# A gateway cannot take the place of another by its client id.',
    'use_username_as_clientid true',
    '',
    '# Processes of the centre: a certificate of the centre authority.',
    listenerLine(centre),
    'max_connections 100',
    'max_topic_alias 0',
    ...tls(wish, wish.centreCaFile),
    'use_identity_as_username true',
  ]
  return `${lines.join('\n')}\n`
}

function listenerLine({ port, bind }: Address): string {
  return bind === undefined ? `listener ${port}` : `listener ${port} ${bind}`
}

function tls({ certFile, keyFile }: BrokerWish, caFile: string): string[] {
  return [
    'tls_version tlsv1.3',
    `cafile ${caFile}`,
    `certfile ${certFile}`,
    `keyfile ${keyFile}`,
    'require_certificate true',
  ]
}

/** @returns the text of the access list; it holds no secret, but mosquitto warns when others may write it */
export function brokerAccessList(): string {
  const lines = [
    'user ingester',
    `topic read ${aclPatterns.centreRead}`,
    `topic write ${aclPatterns.centreWrite}`,
    '',
    'user serve',
    `topic read ${filters.live}`,
    `topic read ${filters.state}`,
    '',
    '# For everybody, %u being the name in the certificate: a gateway writes and reads its own topics only.',
    ...aclPatterns.gatewayWrites.map((pattern) => `pattern write ${pattern}`),
    `pattern read ${aclPatterns.gatewayRead}`,
  ]
  return `${lines.join('\n')}\n`
}
