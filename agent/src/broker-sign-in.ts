import { createPrivateKey, X509Certificate } from 'node:crypto'

import { BioTrakrError, type Clock, type GatewayId, topics } from '@biotrakr/shared'
import mqtt, { type IConnackPacket, type MqttClient } from 'mqtt'

import { failed, isOver, type Layer, within } from './broker-probe.ts'
import { certificateDates } from './certificate-dates.ts'
import { type BrokerAccess, brokerName, connectOptions } from './sync/connect-options.ts'
import { connectRefused, publishRefused, RC, subscribeRefused, unreachable } from './sync/reasons.ts'

interface SignInOptions {
  readonly gateway: GatewayId
  readonly software: string
  readonly clock: Clock
}

/** A topic in the tree of the centre that no gateway has and nobody reads. */
const FOREIGN_TOPIC = 'biotrakr/v1/doctor/up/probe'
const CONNECT_MS = 8_000

/** The certificate with which this gateway proves itself. */
export function ownCertificate({ cert, key }: BrokerAccess, gateway: string, nowMs: number): Layer[] {
  if (!cert || !key) return []
  const check = "this gateway's certificate"
  const mend =
    'Enrol this gateway again: biotrakr enroll -c <configuration> --url <centre>, with a code of biotrakr-cloud gateways add'
  try {
    const certificate = new X509Certificate(cert)
    const {
      isEarly,
      isOver: isExpired,
      isSoonOver,
      words,
    } = certificateDates(new Date(certificate.validFrom), new Date(certificate.validTo), nowMs)
    const name = /^CN=(.*)$/m.exec(certificate.subject)?.[1]
    if (!certificate.checkPrivateKey(createPrivateKey(key))) {
      return [
        { check, state: 'fail', meaning: 'broker.keyFile is not its key', mend: 'Set both to files of one enrolment.' },
      ]
    }
    if (name !== gateway) {
      const meaning = `it is that of ${name ?? 'nobody'}, and this gateway is ${gateway}`
      return [{ check, state: 'fail', meaning, mend: 'Correct `gateway` or broker.certFile in the configuration.' }]
    }
    if (isEarly) {
      const meaning = `it is not valid yet: ${words}. Most likely this machine's clock is behind`
      return [{ check, state: 'fail', meaning, mend: 'Run: timedatectl set-ntp true' }]
    }
    if (isExpired) return [{ check, state: 'fail', meaning: `it has expired: ${words}`, mend }]
    if (isSoonOver) return [{ check, state: 'warn', meaning: `it was not renewed in time: ${words}`, mend }]
    return [{ check, state: 'ok', meaning: words }]
  } catch (error) {
    const meaning = `it cannot be read: ${error instanceof Error ? error.message : error}`
    return [{ check, state: 'fail', meaning, mend }]
  }
}

/**
 * Signs in as the gateway and tries what it needs and what it must not do. Only for a gateway whose agent does not run:
 * the broker would end the agent's connection for it. Says that the gateway is offline, as its agent does at a stop.
 */
export async function probeSignIn(access: BrokerAccess, options: SignInOptions): Promise<Layer[]> {
  const check = 'broker: sign-in'
  const { gateway, software, clock } = options
  let client: MqttClient | undefined
  try {
    const wanted = { gateway, software, broker: access, keepaliveSeconds: 30, connectTimeoutMs: CONNECT_MS }
    client = mqtt.connect(connectOptions(wanted))
    const packet = await connected(client, access)
    const limit = packet.properties?.maximumPacketSize
    const meaning = `the broker takes ${gateway}${limit === undefined ? '' : `, messages up to ${limit} bytes`}`
    const layers: Layer[] = [{ check, state: 'ok', meaning }]
    layers.push(await readLayer(client, options))
    layers.push(await writeLayer(client, options))
    if (!isOver(layers)) layers.push(await foreignLayer(client, clock))
    return layers
  } catch (error) {
    if (error instanceof BioTrakrError) return [{ check, state: 'fail', meaning: error.message, mend: error.next }]
    return [failed(check, brokerName(access), error)]
  } finally {
    await client?.endAsync(true).catch(() => undefined)
  }
}

function connected(client: MqttClient, access: BrokerAccess): Promise<IConnackPacket> {
  const name = brokerName(access)
  return new Promise((resolve, reject) => {
    client.once('connect', resolve)
    client.on('error', (error) => {
      const code = 'code' in error ? error.code : undefined
      reject(typeof code === 'number' ? connectRefused(code, name) : unreachable(error, name))
    })
    client.once('close', () => reject(unreachable(Object.assign(new Error(), { code: 'ECONNRESET' }), name)))
  })
}

/** Some brokers grant what they will not deliver: a refusal is certain, a grant is not. */
async function readLayer(client: MqttClient, { gateway, clock }: SignInOptions): Promise<Layer> {
  const check = 'broker: may read'
  const topic = topics.ack(gateway)
  const granted = await within(
    clock,
    new Promise<number | undefined>((resolve) => {
      client.subscribe(topic, { qos: 1 }, (error, grants) => resolve(error ? RC.notAuthorized : grants?.[0]?.qos))
    }),
  )
  if (granted !== undefined && granted < 0x80) return { check, state: 'ok', meaning: `${topic} was granted` }
  const { message, next } = subscribeRefused(granted, topic)
  return { check, state: 'fail', meaning: message, mend: next }
}

async function writeLayer(client: MqttClient, { gateway, software, clock }: SignInOptions): Promise<Layer> {
  const check = 'broker: may write'
  const topic = topics.state(gateway)
  const code = await published(client, {
    topic,
    text: JSON.stringify({ online: false, software }),
    retain: true,
    clock,
  })
  if (code < 0x80) return { check, state: 'ok', meaning: `${topic} was taken` }
  const { message, next } = publishRefused(code, topic)
  return { check, state: 'fail', meaning: message, mend: next }
}

async function foreignLayer(client: MqttClient, clock: Clock): Promise<Layer> {
  const check = 'broker: kept apart'
  const code = await published(client, { topic: FOREIGN_TOPIC, text: '', retain: false, clock })
  if (code >= 0x80) return { check, state: 'ok', meaning: 'this gateway cannot write in the name of another' }
  return {
    check,
    state: 'warn',
    meaning: 'this gateway can write in the name of another: the broker has no access list, or a wrong one',
    mend: 'Write its access list with "biotrakr-cloud broker-config" at the centre, and restart the broker.',
  }
}

interface Message {
  readonly topic: string
  readonly text: string
  readonly retain: boolean
  readonly clock: Clock
}

/** @returns the reason code of the PUBACK */
function published(client: MqttClient, { topic, text, retain, clock }: Message): Promise<number> {
  return within(
    clock,
    new Promise<number>((resolve, reject) => {
      let code = 0
      client.once('packetreceive', (packet) => {
        if (packet.cmd === 'puback') code = packet.reasonCode ?? 0
      })
      client.publish(topic, text, { qos: 1, retain }, (error) => {
        if (!error) resolve(code)
        else if ('code' in error && typeof error.code === 'number') resolve(error.code)
        else reject(error)
      })
    }),
  )
}
