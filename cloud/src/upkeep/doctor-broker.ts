import type { TLSSocket } from 'node:tls'

import { filters } from '@biotrakr/shared'
import mqtt, { type IClientOptions, type IConnackPacket, type MqttClient } from 'mqtt'

import { pairFinding } from './doctor-certificates.ts'
import type { Finding } from './doctor-database.ts'

interface BrokerAddress {
  readonly url: string
  readonly username?: string
  readonly password?: string
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

/** A batch of the largest size with its head (see `MAX_PAYLOAD_BYTES` of ingest). */
const LARGEST_PACKET = 262_144
const CONNECT_MS = 8_000

/** By Node's and OpenSSL's codes, and MQTT's reason codes. */
const WORDS: Readonly<Record<string, readonly [meaning: string, mend: string]>> = {
  ENOTFOUND: ['its name is not known', 'Correct broker.url, or the name service of this machine.'],
  EAI_AGAIN: ['the name server does not answer', 'Check the network and the name service of this machine.'],
  ECONNREFUSED: ['nothing listens there', 'Run: sudo systemctl start mosquitto; or correct broker.url.'],
  ETIMEDOUT: ['no answer', 'Check the network, the firewall and broker.url.'],
  EHOSTUNREACH: ['no route to it', 'Check the network and broker.url.'],
  CERT_HAS_EXPIRED: ['its certificate has expired', "Check this machine's date, then: biotrakr-cloud ca server"],
  CERT_NOT_YET_VALID: ['its certificate is not valid yet', "Check this machine's date: timedatectl set-ntp true"],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'its certificate is for another name',
    'Write broker.url as the certificate names it.',
  ],
  ERR_SSL_WRONG_VERSION_NUMBER: ['it answers without TLS', 'Use the port for mqtts://, or a web page answers there.'],
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: ['it wants a certificate', 'Set broker.certFile and broker.keyFile.'],
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: [
    'our certificate has expired',
    'Issue a new one: biotrakr-cloud ca process',
  ],
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: ['it does not know the CA of our certificate', 'Correct cafile at the broker.'],
  '134': ['user name or password is wrong', 'Correct broker.username and the file named by broker.passwordFile.'],
  '135': ['this user is not allowed in', 'Correct broker.username and broker.passwordFile, or the user list there.'],
}
const UNTRUSTED = /SELF_SIGNED|UNABLE_TO_(?:GET_ISSUER|VERIFY)/

/**
 * Signs in beside the running processes, under a name of its own, and looks at what the broker takes. Where the broker
 * makes the user name the client id, the running process loses its connection for a moment.
 */
export async function examineBroker(broker: BrokerAddress, clientId: string, nowMs: number): Promise<Finding[]> {
  const check = 'broker'
  let client: MqttClient | undefined
  try {
    client = mqtt.connect(broker.url, options(broker, clientId))
    const { properties = {} } = await connected(client)
    const whole = [await subscriptions(client), sharedSubscriptions(properties), largestPacket(properties)]
    const taken: Finding = { check, state: 'ok', meaning: `${broker.url} takes ${broker.username ?? 'us'}` }
    return [taken, ...shownCertificate(client, nowMs), ...whole]
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    const text = error instanceof Error ? error.message : String(error)
    const [what, mend] = WORDS[code] ?? other(code, text)
    return [{ check, state: 'fail', meaning: `no connection to ${broker.url}: ${what}`, mend }]
  } finally {
    await client?.endAsync(true).catch(() => undefined)
  }
}

/** The broker is the one server whose end every gateway would notice at once. */
function shownCertificate({ stream }: MqttClient, nowMs: number): Finding[] {
  const shown =
    'getPeerX509Certificate' in stream ? (stream as unknown as TLSSocket).getPeerX509Certificate() : undefined
  return shown ? [pairFinding('broker: its certificate', shown, nowMs)] : []
}

function other(code: string, text: string): readonly [string, string] {
  if (UNTRUSTED.test(code))
    return ['its certificate is not signed by the configured CA', 'Set broker.caFile to its CA.']
  if (/wrong version number/.test(text)) return ['it answers without TLS', 'Use the port for mqtts://.']
  return [text || 'it closed the connection', 'See the log of the broker.']
}

function options(broker: BrokerAddress, clientId: string): IClientOptions {
  const { username, password, ca, cert, key } = broker
  return {
    clientId,
    protocolVersion: 5,
    clean: true,
    reconnectPeriod: 0,
    connectTimeout: CONNECT_MS,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
  }
}

function connected(client: MqttClient): Promise<IConnackPacket> {
  return new Promise((resolve, reject) => {
    client.once('connect', resolve)
    client.on('error', reject)
    client.once('close', () => reject(new Error('')))
  })
}

type Limits = NonNullable<IConnackPacket['properties']>

/** Some brokers grant what they will not deliver: a refusal is certain, a grant is not. */
async function subscriptions(client: MqttClient): Promise<Finding> {
  const check = 'broker: access list'
  try {
    const answers = await client.subscribeAsync([filters.ledgerShard(0), filters.hello, filters.live], { qos: 1 })
    const refused = answers.filter(({ qos }) => qos >= 0x80).map(({ topic }) => topic)
    if (refused.length === 0) return { check, state: 'ok', meaning: 'ledger, hello and live were granted' }
    const meaning = `refused: ${refused.join(', ')}`
    return {
      check,
      state: 'warn',
      meaning,
      mend: 'ingest needs ledger and hello, serve needs live: see biotrakr-cloud broker-config.',
    }
  } catch (error) {
    const meaning = `subscriptions were refused (${error instanceof Error ? error.message : error})`
    return {
      check,
      state: 'fail',
      meaning,
      mend: 'Write the access list anew with biotrakr-cloud broker-config, and restart the broker.',
    }
  }
}

function sharedSubscriptions({ sharedSubscriptionAvailable }: Limits): Finding {
  const check = 'broker: shared subscriptions'
  if (sharedSubscriptionAvailable !== false) return { check, state: 'ok', meaning: 'one ingester answers each hello' }
  const meaning = 'it has none: every ingester answers each hello, which is right and a little more work'
  return { check, state: 'warn', meaning, mend: 'Use a broker with shared subscriptions, such as mosquitto 2.' }
}

function largestPacket({ maximumPacketSize, receiveMaximum }: Limits): Finding {
  const check = 'broker: limits'
  const flight = receiveMaximum === undefined ? '' : `, ${receiveMaximum} messages in flight`
  if (maximumPacketSize === undefined) return { check, state: 'ok', meaning: `no limit of packets was named${flight}` }
  const meaning = `packets up to ${maximumPacketSize} bytes${flight}`
  if (maximumPacketSize >= LARGEST_PACKET) return { check, state: 'ok', meaning }
  const mend = `Set max_packet_size ${LARGEST_PACKET} in mosquitto.conf and restart it.`
  return { check, state: 'warn', meaning: `${meaning}: gateways must cut their batches smaller`, mend }
}
