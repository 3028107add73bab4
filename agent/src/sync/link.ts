import { X509Certificate } from 'node:crypto'

import {
  type BioTrakrError,
  type Clock,
  type GatewayId,
  type GatewayState,
  type Random,
  type Timer,
  topics,
} from '@biotrakr/shared'
import type { IClientOptions, IConnackPacket, MqttClient } from 'mqtt'

import { type BrokerAccess, brokerName, connectOptions } from './connect-options.ts'
import { connectDelayMs, failed, freshPace, type Pace, type PaceLimits, steady, tried } from './pace.ts'
import {
  closedSilently,
  connectRefused,
  disconnected,
  publishRefused,
  RC,
  subscribeRefused,
  unreachable,
} from './reasons.ts'

/** What the broker said it takes; the protocol's own maximum where it said nothing. */
interface LinkLimits {
  /** QoS 1 messages that may wait for a PUBACK at once. */
  readonly receiveMaximum: number
  /** Largest packet in bytes; undefined = not said. */
  readonly packetBytes: number | undefined
}

export interface LinkListener {
  /** Connected, and subscribed to the answers of the centre. */
  up(limits: LinkLimits): void
  /** Whatever was on its way is forgotten. */
  down(): void
  message(text: string): void
  trouble(problem: BioTrakrError): void
  /** The broker ended the connection with this reason code. */
  dropped(code: number): void
}

export type Connect = (options: IClientOptions) => MqttClient

export interface LinkOptions {
  readonly gateway: GatewayId
  readonly software: string
  readonly broker: BrokerAccess
  readonly clock: Clock
  readonly random: Random
  readonly connect: Connect
  readonly pace: PaceLimits
  readonly keepaliveSeconds: number
  readonly connectTimeoutMs: number
  readonly credentials?: () => Pick<BrokerAccess, 'cert' | 'key'>
  /** Whether somebody has confirmed this machine's time; undefined = not known. */
  readonly isTimeConfirmed?: () => boolean
}

/** After this long without a break a connection counts as good, and the next loss is again a first one. */
const STEADY_MS = 30_000
const SLOW_RETRY_MS = 60_000
/** Two boxes with one identity throw each other out; each of them waits this long, up to twice, before it comes back. */
const TWIN_WAIT_MS = 60_000
const GOODBYE_MS = 1_000
/** The protocol's maximum of messages in flight where the broker names none (MQTT 5.0, section 3.2.2.3.3). */
const MAX_IN_FLIGHT = 65_535

/**
 * Keeps one MQTT 5 connection. Each connection is a fresh client of mqtt.js that is thrown away at its end, so nothing
 * can stay queued in there; when to connect again is decided here and nowhere else.
 */
export class Link {
  connects = 0
  readonly #options: LinkOptions
  readonly #listener: LinkListener
  #client: MqttClient | undefined
  #pace: Pace = freshPace
  #holdMs = 0
  #unconfirmed = 0
  #pubackCode = 0
  #receiveMaximum = MAX_IN_FLIGHT
  #isUp = false
  #isStopping = false
  #isLeaving = false
  /** End of the certificate that was shown last. */
  #ownUntilMs: number | undefined
  #retry: Timer | undefined
  #steady: Timer | undefined
  #onClosed: (() => void) | undefined

  constructor(options: LinkOptions, listener: LinkListener) {
    this.#options = options
    this.#listener = listener
  }

  start(): void {
    this.#open()
  }

  /** True when another QoS 1 message may be sent now. */
  get isFree(): boolean {
    // One place is kept for the state message of a stop.
    return this.isUp && this.#unconfirmed < Math.max(1, this.#receiveMaximum - 1)
  }

  get isUp(): boolean {
    return this.#isUp && this.#isAlive()
  }

  /** Bytes that the line has not taken yet. */
  get backlogBytes(): number {
    return this.#client?.stream.writableLength ?? 0
  }

  /**
   * QoS 1. `answered` gets the reason code of the PUBACK, or is never called when the connection ends before it.
   * @returns false when there is no connection: the message is then nowhere
   */
  publish(topic: string, payload: Uint8Array | string, sending: Sending): boolean {
    return this.#send(topic, payload, sending)
  }

  /** Ends the connection and stays away for so long, up to a quarter longer. */
  leave(awayMs: number): void {
    if (this.#client === undefined || this.#isStopping) return
    this.#holdMs = awayMs * (1 + this.#options.random() / 4)
    this.#isLeaving = true
    this.#publishState(false, () => {})
    this.#client.end()
  }

  /** QoS 0; @returns false when there is no connection */
  publishOnce(topic: string, payload: Uint8Array): boolean {
    if (!this.isUp) return false
    this.#client?.publish(topic, asBuffer(payload), { qos: 0 })
    return true
  }

  /** Says goodbye (retained offline state, normal DISCONNECT) and connects no more. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#retry?.cancel()
    const client = this.#client
    if (client === undefined) return
    const closed = new Promise<void>((resolve) => {
      this.#onClosed = resolve
    })
    if (this.#isAlive()) {
      await this.#within(GOODBYE_MS, (done) => {
        if (!this.#publishState(false, done)) done()
      })
      client.end()
    } else {
      client.stream.destroy()
    }
    const cut = this.#options.clock.after(GOODBYE_MS, () => client.stream.destroy())
    await closed
    cut.cancel()
  }

  #isAlive(): boolean {
    const client = this.#client
    return client?.connected === true && !client.disconnecting && !client.stream.destroyed
  }

  #open(): void {
    const { clock, connect, pace } = this.#options
    this.#isLeaving = false
    this.#pace = tried(this.#pace, clock.monoMs(), pace)
    this.connects += 1
    let client: MqttClient
    try {
      client = connect(connectOptions({ ...this.#options, broker: this.#access() }))
    } catch (error) {
      this.#report(unreachable(asError(error), this.#name(), this.#time()))
      this.#retryLater()
      return
    }
    this.#client = client
    let isExplained = false
    client.on('connect', (packet) => this.#connected(client, packet))
    client.on('message', (_topic, payload) => {
      if (this.#isAlive()) this.#listener.message(payload.toString('utf8'))
    })
    // The callback of a publish is given the message back instead of the PUBACK, and runs right after this event.
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'puback') this.#pubackCode = packet.reasonCode ?? 0
    })
    client.on('disconnect', ({ reasonCode = 0 }) => {
      isExplained = reasonCode !== 0
      if (isExplained) this.#wasDropped(reasonCode)
      client.stream.destroy()
    })
    client.on('error', (error) => {
      // An error ends the connection and only `close` decides what comes next, so that no failure is handled twice.
      if (!isExplained) this.#report(this.#explain(error))
      isExplained = true
      client.stream.destroy()
    })
    client.on('close', () => {
      if (!isExplained && !this.#isStopping) {
        this.#report(closedSilently(this.#name()))
      }
      this.#closed(client)
    })
  }

  #explain(error: Error): BioTrakrError {
    const code = 'code' in error ? error.code : undefined
    return typeof code === 'number'
      ? connectRefused(code, this.#name())
      : unreachable(error, this.#name(), this.#time())
  }

  #wasDropped(code: number): void {
    if (code === RC.sessionTakenOver) this.#holdMs = TWIN_WAIT_MS * (1 + this.#options.random())
    this.#report(disconnected(code, this.#name()))
    this.#listener.dropped(code)
  }

  #connected(client: MqttClient, packet: IConnackPacket): void {
    // Nagle's algorithm costs a factor of five with one batch in flight. Set once CONNACK is here: before
    // that a TLS stream has no socket to set it on.
    if ('setNoDelay' in client.stream && typeof client.stream.setNoDelay === 'function') client.stream.setNoDelay(true)
    this.#receiveMaximum = packet.properties?.receiveMaximum ?? MAX_IN_FLIGHT
    this.#steady = this.#options.clock.after(STEADY_MS, () => {
      this.#pace = steady(this.#pace)
    })
    this.#publishState(true, () => {})
    this.#subscribe(client, packet)
  }

  #subscribe(client: MqttClient, packet: IConnackPacket): void {
    const topic = topics.ack(this.#options.gateway)
    client.subscribe(topic, { qos: 1 }, (error, granted) => {
      if (client !== this.#client || !this.#isAlive()) return
      const code = granted?.find((grant) => grant.qos >= 0x80)?.qos
      if (error === null && code === undefined) {
        this.#isUp = true
        const packetBytes = packet.properties?.maximumPacketSize
        this.#listener.up({ receiveMaximum: this.#receiveMaximum, packetBytes })
        return
      }
      const given = error && 'packet' in error ? subackCode(error.packet) : code
      this.#report(subscribeRefused(given, topic))
      const { clock, random } = this.#options
      this.#retry = clock.after(SLOW_RETRY_MS * (1 + random() / 4), () => this.#subscribe(client, packet))
    })
  }

  /** Retained, so that whoever looks later sees it too; the last will says the same when the line just breaks. */
  #publishState(online: boolean, done: () => void): boolean {
    const topic = topics.state(this.#options.gateway)
    const state: GatewayState = { online, software: this.#options.software }
    return this.#send(topic, JSON.stringify(state), {
      isRetained: true,
      answered: (code) => {
        if (code >= 0x80) this.#report(publishRefused(code, topic))
        done()
      },
    })
  }

  #send(
    topic: string,
    payload: Uint8Array | string,
    { isRetained = false, expirySeconds, answered }: Sending,
  ): boolean {
    const client = this.#client
    if (client === undefined || !this.#isAlive()) return false
    this.#unconfirmed += 1
    const properties = expirySeconds === undefined ? {} : { messageExpiryInterval: expirySeconds }
    client.publish(topic, asBuffer(payload), { qos: 1, retain: isRetained, properties }, (error) => {
      if (client !== this.#client) return
      const code = error ? reasonOf(error) : this.#pubackCode
      // Without a code no PUBACK came: the connection is ending.
      if (code === undefined) return
      this.#unconfirmed -= 1
      answered(code)
    })
    return true
  }

  #closed(client: MqttClient): void {
    if (client !== this.#client) return
    client.removeAllListeners()
    // A late error of a stream that is gone must not end the process.
    client.on('error', () => {})
    this.#client = undefined
    this.#isUp = false
    this.#unconfirmed = 0
    this.#steady?.cancel()
    this.#retry?.cancel()
    this.#listener.down()
    if (!this.#isStopping) this.#retryLater()
    this.#onClosed?.()
  }

  #retryLater(): void {
    const { clock, random, pace: limits } = this.#options
    this.#pace = failed(this.#pace, clock.monoMs(), random)
    const delayMs = Math.max(this.#holdMs, connectDelayMs(this.#pace, clock.monoMs(), limits))
    this.#holdMs = 0
    this.#retry = clock.after(delayMs, () => this.#open())
  }

  /** Runs `work` and waits until it calls back, but not longer than `limitMs`. */
  #within(limitMs: number, work: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(limitMs, resolve)
      work(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  #report(problem: BioTrakrError): void {
    if (!this.#isStopping && !this.#isLeaving) this.#listener.trouble(problem)
  }

  /** Asked once for every connection: a certificate may have been renewed since the last. */
  #access(): BrokerAccess {
    const { broker, credentials } = this.#options
    const access = { ...broker, ...credentials?.() }
    this.#ownUntilMs = access.cert && certificateEnd(access.cert)
    return access
  }

  #time() {
    const { clock, isTimeConfirmed } = this.#options
    return { nowMs: clock.wallMs(), isConfirmed: isTimeConfirmed?.(), ownUntilMs: this.#ownUntilMs }
  }

  #name(): string {
    return brokerName(this.#options.broker)
  }
}

export interface Sending {
  readonly isRetained?: boolean
  /** A message that the broker could not hand on in this time is dropped there. */
  readonly expirySeconds?: number
  readonly answered: (code: number) => void
}

function reasonOf(error: Error): number | undefined {
  return 'code' in error && typeof error.code === 'number' && error.code >= 0x80 ? error.code : undefined
}

function subackCode(packet: unknown): number | undefined {
  if (typeof packet !== 'object' || packet === null || !('granted' in packet)) return undefined
  const { granted } = packet
  return Array.isArray(granted) ? granted.find((code): code is number => typeof code === 'number') : undefined
}

function asBuffer(payload: Uint8Array | string): Buffer {
  return typeof payload === 'string'
    ? Buffer.from(payload)
    : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
}

function certificateEnd(pem: Buffer): number | undefined {
  try {
    return Date.parse(new X509Certificate(pem).validTo)
  } catch {
    return undefined
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
