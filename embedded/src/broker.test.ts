import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { filters, type GatewayId, topics } from '@biotrakr/shared'
import mqtt from 'mqtt'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { brokerUsers } from './access.ts'
import { serverAccount } from './account.ts'
import { type Broker, type BrokerChoice, prepareBroker } from './broker.ts'
import { SupervisedChild } from './child.ts'
import { type DataFolder, openDataFolder } from './data-folder.ts'

const account = serverAccount()
const mustRun = process.env['BIOTRAKR_REQUIRE_ALL'] === '1'
const ward = 'ward-1' as GatewayId
const other = 'ward-2' as GatewayId
const NOT_AUTHORIZED = 0x87

const roots: string[] = []
const newFolder = () => {
  const root = mkdtempSync(join(tmpdir(), 'biotrakr-broker-'))
  chmodSync(root, 0o755)
  roots.push(root)
  return openDataFolder(join(root, 'data'), account)
}
const prepare = (folder: DataFolder, choice: BrokerChoice) => {
  const users = brokerUsers(ward, {
    gateway: folder.password('gateway'),
    ingester: folder.password('ingester'),
    serve: folder.password('serve'),
  })
  return prepareBroker(folder, account, { choice, users: Object.values(users) })
}
const mosquitto = await prepare(newFolder(), 'mosquitto').catch(() => undefined)
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true })
})

describe.each(['mosquitto', 'aedes'] as const)('the broker %s', (choice) => {
  const skip = choice === 'mosquitto' && !mosquitto && !mustRun
  const why = skip ? '[skipped: no mosquitto 2 here] ' : ''
  let folder: DataFolder
  let broker: Broker
  let child: SupervisedChild
  const clients: mqtt.MqttClient[] = []

  beforeAll(async () => {
    if (skip) return
    folder = newFolder()
    broker = await prepare(folder, choice)
    child = new SupervisedChild(broker.child, { random: Math.random, onEvent: () => undefined })
    await child.start()
  })
  afterAll(async () => {
    for (const client of clients) await client.endAsync(true)
    await child?.stop()
  })

  async function login(user: string, password: string): Promise<mqtt.MqttClient> {
    const client = await mqtt.connectAsync(broker.url, {
      protocolVersion: 5,
      username: user,
      password,
      reconnectPeriod: 0,
    })
    client.on('error', () => undefined)
    clients.push(client)
    return client
  }
  const loginAs = (name: string) => login(name, folder.password(name === ward ? 'gateway' : name).text)

  it.skipIf(skip)(`${why}is the one asked for`, () => {
    expect(broker.kind).toBe(choice)
  })

  it.skipIf(skip)(`${why}carries a batch from gateway to ingester and the answer back`, async () => {
    const [agent, ingester] = [await loginAs(ward), await loginAs('ingester')]
    await ingester.subscribeAsync(filters.ledger, { qos: 1 })
    await agent.subscribeAsync(topics.ack(ward))
    const batch = new Promise<string>((resolve) => ingester.once('message', (topic) => resolve(topic)))
    await agent.publishAsync(topics.ledger(ward), Buffer.alloc(250_000), { qos: 1 })
    expect(await batch).toBe(topics.ledger(ward))
    const answer = new Promise<string>((resolve) => agent.once('message', (_, body) => resolve(body.toString())))
    await ingester.publishAsync(topics.ack(ward), 'committed')
    expect(await answer).toBe('committed')
  })

  it.skipIf(skip)(`${why}keeps a gateway's birth for who comes later`, async () => {
    const agent = await loginAs(ward)
    await agent.publishAsync(topics.state(ward), 'born', { qos: 1, retain: true })
    const serve = await loginAs('serve')
    const state = new Promise<string>((resolve) => serve.once('message', (_, body) => resolve(body.toString())))
    await serve.subscribeAsync(filters.state)
    expect(await state).toBe('born')
  })

  it.skipIf(skip)(`${why}answers 0x87 to a gateway that writes another's lane or the answers`, async () => {
    const agent = await loginAs(ward)
    for (const topic of [topics.ledger(other), topics.ack(ward)]) {
      await expect(agent.publishAsync(topic, 'x', { qos: 1 })).rejects.toMatchObject({ code: NOT_AUTHORIZED })
    }
  })

  it.skipIf(skip)(`${why}delivers nothing of the ledger to the server that shows positions`, async () => {
    const [agent, serve] = [await loginAs(ward), await loginAs('serve')]
    const heard: string[] = []
    serve.on('message', (topic) => heard.push(topic))
    await serve.subscribeAsync(filters.ledger).catch(() => undefined)
    await serve.subscribeAsync(filters.live)
    const live = new Promise((resolve) => serve.on('message', (topic) => topic === topics.live(ward) && resolve(topic)))
    await agent.publishAsync(topics.ledger(ward), 'x', { qos: 1 })
    await agent.publishAsync(topics.live(ward), 'x', { qos: 1 })
    await live
    expect(heard).toEqual([topics.live(ward)])
  })

  it.skipIf(skip)(`${why}lets nobody in without the right password`, async () => {
    await expect(login('ingester', 'wrong')).rejects.toThrow()
    await expect(login('nobody', '')).rejects.toThrow()
    await expect(mqtt.connectAsync(broker.url, { protocolVersion: 5, reconnectPeriod: 0 })).rejects.toThrow()
  })

  it.skipIf(skip)(`${why}keeps passwords out of its files and command line`, () => {
    const { config } = broker
    const { command, args } = broker.child
    const secret = folder.password('ingester')
    expect([command, ...args].join(' ')).not.toContain(secret.text)
    expect(readFileSync(config, 'utf8')).not.toContain(secret.text)
    expect(statSync(secret.file).mode & 0o777).toBe(0o600)
    expect(statSync(config).mode & 0o777).toBe(0o600)
  })

  it.skipIf(skip)(`${why}says whether it has shared subscriptions`, async () => {
    const ingester = await loginAs('ingester')
    const asked = ingester.subscribeAsync(filters.sharedHello, { qos: 1 })
    if (choice === 'mosquitto') expect((await asked)[0]?.qos).toBe(1)
    else await expect(asked).rejects.toThrow()
  })
})
