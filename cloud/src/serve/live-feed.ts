import { Socket } from 'node:net'

import {
  BioTrakrError,
  backoffMs,
  type Clock,
  type Compression,
  decodeLive,
  filters,
  type GatewayId,
  type LiveContent,
  parseTopic,
  type Random,
  type Timer,
} from '@biotrakr/shared'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import type { Logger } from 'pino'

export interface FeedBroker {
  /** `mqtt://host:port` or `mqtts://host:port`. */
  readonly url: string
  readonly username?: string
  readonly password?: string
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

/** Who listens to the feed. */
export interface FeedListener {
  knows(gateway: GatewayId): boolean
  hear(gateway: GatewayId, content: LiveContent, nowMs: number): void
}

interface FeedOptions {
  readonly broker: FeedBroker
  readonly clock: Clock
  readonly random: Random
  readonly compression: Compression
  readonly log: Logger
}

/** Messages of the live lane by what became of them. */
export interface FeedCounters {
  heard: number
  /** On a topic that no agent of ours uses. */
  badTopic: number
  /** Of a gateway that is not one of this organisation. */
  foreign: number
  /** Not a live message that can be read, or one that names another gateway than its topic. */
  unreadable: number
}

interface FeedStatus {
  readonly state: 'stopped' | 'connecting' | 'up'
  readonly lastError: string | undefined
  readonly counters: Readonly<FeedCounters>
}

export interface LiveFeed {
  start(): void
  stop(): Promise<void>
  status(): FeedStatus
}

const RECONNECT = { firstMs: 500, maxMs: 30_000 } as const
const KEEPALIVE_S = 20
const MAX_PACKET_BYTES = 257 * 1_024

/** The live lane of all gateways, MQTT 5, reconnecting with full jitter until stopped. Nothing waits in it. */
export function createLiveFeed(listener: FeedListener, options: FeedOptions): LiveFeed {
  const { broker, clock, random, log } = options
  const counters: FeedCounters = { heard: 0, badTopic: 0, foreign: 0, unreadable: 0 }
  let state: FeedStatus['state'] = 'stopped'
  let client: MqttClient | undefined
  let retry: Timer | undefined
  let attempt = 0
  let lastError: string | undefined

  const open = () => {
    state = 'connecting'
    const current = mqtt.connect(broker.url, connectOptions(broker))
    client = current
    current.on('connect', () => {
      void subscribe(current)
    })
    current.on('message', (topic, payload) => {
      counters[receive(listener, { topic, payload }, options)] += 1
    })
    current.on('error', (error) => {
      lastError = error.message
    })
    current.once('close', () => closed(current))
  }

  const subscribe = async (current: MqttClient) => {
    // Nagle's algorithm and delayed acknowledgements together would hold small messages back for 40 ms.
    if (current.stream instanceof Socket) current.stream.setNoDelay(true)
    try {
      await grant(current)
      if (client !== current) return
      state = 'up'
      attempt = 0
      lastError = undefined
      log.info({ event: 'serve.live.up' }, 'connected to the broker, live positions flow')
    } catch (error) {
      lastError = error instanceof Error ? error.message : String(error)
      current.end(true)
    }
  }

  const closed = (current: MqttClient) => {
    current.end(true)
    if (client !== current || state === 'stopped') return
    client = undefined
    state = 'connecting'
    const delayMs = backoffMs(attempt, RECONNECT, random)
    attempt += 1
    log.warn({ event: 'serve.live.down', error: lastError, delayMs }, 'no live positions: no connection to the broker')
    retry = clock.after(delayMs, open)
  }

  return {
    start: () => {
      if (state === 'stopped') open()
    },
    stop: async () => {
      state = 'stopped'
      retry?.cancel()
      const current = client
      client = undefined
      if (current) await current.endAsync(!current.connected)
    },
    status: () => ({ state, lastError, counters }),
  }
}

function connectOptions(broker: FeedBroker): IClientOptions {
  return {
    protocolVersion: 5,
    clean: true,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    keepalive: KEEPALIVE_S,
    connectTimeout: 10_000,
    properties: { maximumPacketSize: MAX_PACKET_BYTES },
    ...(broker.username !== undefined && { username: broker.username }),
    ...(broker.password !== undefined && { password: broker.password }),
    ...(broker.ca && { ca: broker.ca }),
    ...(broker.cert && { cert: broker.cert }),
    ...(broker.key && { key: broker.key }),
  }
}

async function grant(client: MqttClient): Promise<void> {
  const answers = await client.subscribeAsync(filters.live, { qos: 0 })
  const refused = answers.find((answer) => answer.qos >= 128)
  if (refused === undefined) return
  throw new BioTrakrError(`The broker refused the subscription to ${filters.live} (reason code ${refused.qos})`, {
    code: 'BROKER_REFUSED',
    next: "Check the user of `serve` and the broker's access list.",
  })
}

interface Message {
  readonly topic: string
  readonly payload: Uint8Array
}

/** The topic says who speaks, for the broker has verified that; the message may only agree. */
function receive(
  listener: FeedListener,
  { topic, payload }: Message,
  { clock, compression, log }: FeedOptions,
): keyof FeedCounters {
  const parsed = parseTopic(topic)
  if (parsed?.lane !== 'live') return 'badTopic'
  if (!listener.knows(parsed.gateway)) return 'foreign'
  const verdict = decodeLive(payload, compression)
  if (!verdict.ok || verdict.gateway !== parsed.gateway) {
    const code = verdict.ok ? 'GATEWAY' : verdict.code
    log.debug({ event: 'serve.live.unreadable', gateway: parsed.gateway, code }, 'a live message cannot be used')
    return 'unreadable'
  }
  listener.hear(parsed.gateway, verdict, clock.wallMs())
  return 'heard'
}
