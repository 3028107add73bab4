import { readFileSync } from 'node:fs'

import { Agent, openBle, readConfig, systemClock } from '@biotrakr/agent'
import { choosePort } from '@biotrakr/embedded'
import { filters, type GatewayId, type ReceiverId, type RoomId, type SiteMap, type TagId } from '@biotrakr/shared'
import { Controller, type ControllerPort, createControllerPort } from '@biotrakr/sim'
import { connect, type MqttClient } from 'mqtt'
import { type Logger, pino } from 'pino'

import { type Plant, startPlant } from './plant.ts'

interface Wish {
  readonly gateway: GatewayId
  /** One room each. */
  readonly adapters: number
  readonly tags: readonly TagId[]
  readonly log?: Logger
}

/** A gateway in this process, its adapters simulated below the real library, and a centre of real parts. */
export interface BleGateway {
  readonly plant: Plant
  readonly agent: Agent
  readonly ports: readonly ControllerPort[]
  readonly dataDir: string
  metrics(): Promise<string>
  stop(): Promise<void>
}

export async function startBleGateway({
  gateway,
  adapters,
  tags,
  log = pino({ level: 'silent' }),
}: Wish): Promise<BleGateway> {
  const receivers = Array.from({ length: adapters }, (_, index) => `rx-${index}` as ReceiverId)
  const siteMap: SiteMap = {
    version: 1,
    rooms: receivers.map((_, index) => ({ id: roomOf(index), transit: false })),
    receivers: receivers.map((id, index) => ({ id, medium: 'BLE', room: roomOf(index) })),
    adjacency: [],
  }
  const plant = await startPlant({ gateway, siteMap, tags, broker: 'mosquitto' })
  const { port } = await choosePort(undefined)
  const sources = [{ kind: 'ble', adapters: receivers.map((receiver, index) => ({ receiver, index })) }]
  const config = readConfig(plant.agentConfig({ siteMap, tags, settings: { sources, api: { port } } }))
  const ports = receivers.map((_, index) => createControllerPort(new Controller({ address: `02000000000${index}` })))
  const clock = systemClock
  const ble = openBle({
    adapters: ports.map((controller, index) => ({
      receiver: receivers[index] as ReceiverId,
      target: { controller, label: `simulated ${index}` },
    })),
    allow: new Set(tags),
    clock,
    random: Math.random,
    log,
  })
  const agent = new Agent({ config, sources: [ble], clock, eventClock: clock, random: Math.random, log })
  await agent.start()
  return {
    plant,
    agent,
    ports,
    dataDir: config.dataDir,
    metrics: async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
    async stop() {
      await agent.stop({ flushMs: 5_000 })
      await plant.stop()
    },
  }
}

export function roomOf(adapter: number): RoomId {
  return `Room ${adapter}` as RoomId
}

/** A client that hears everything that gateways publish, with the ingester's rights. */
export async function listenTo({ brokerUrl, folder }: Plant): Promise<MqttClient> {
  const { text } = folder.password('broker-ingester')
  const client = connect(brokerUrl, { protocolVersion: 5, username: 'ingester', password: text })
  await new Promise((resolve, reject) => client.once('connect', resolve).once('error', reject))
  await client.subscribeAsync([filters.ledger, filters.live, filters.hello, filters.state])
  return client
}

/** All files of the store as they are on disk. */
export function storeBytes(dataDir: string): Buffer {
  const files = ['outbox.sqlite', 'outbox.sqlite-wal'].map((name) => {
    try {
      return readFileSync(`${dataDir}/${name}`)
    } catch {
      return Buffer.alloc(0)
    }
  })
  return Buffer.concat(files)
}
