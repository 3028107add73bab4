import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'

import { Aedes, type AedesOptions, type Client } from 'aedes'

import { covers } from './access.ts'
import { type BrokerFile, isPassword } from './broker-file.ts'

/**
 * The broker for machines without mosquitto: MQTT 5 in memory, the same users and the same access list. It has no
 * shared subscriptions, so one ingester is all it serves.
 */
const [, , path] = process.argv
if (path === undefined) throw new Error('usage: broker FILE')
const { port, maxPacketBytes, users } = JSON.parse(readFileSync(path, 'utf8')) as BrokerFile

const BAD_USER_OR_PASSWORD = 4
const connected = new WeakMap<Client, BrokerFile['users'][number]>()
const say = (text: string) => process.stderr.write(`${new Date().toISOString()}: ${text}\n`)

const authenticate: AedesOptions['authenticate'] = (client, name, password, done) => {
  const user = users.find((known) => known.name === name)
  if (user && password && isPassword(user, password)) {
    connected.set(client, user)
    done(null, true)
    return
  }
  say('a client with a wrong name or password was refused')
  done(Object.assign(new Error('bad user name or password'), { returnCode: BAD_USER_OR_PASSWORD }), null)
}

/** A missing client is the broker itself, which publishes its own statistics and last wills. */
const authorizePublish: AedesOptions['authorizePublish'] = (client, { topic }, done) => {
  const allowed = !client || connected.get(client)?.write.some((pattern) => covers(pattern, topic))
  if (!allowed) say(`${client.id} may not publish ${topic}`)
  done(allowed ? null : new Error(`may not publish ${topic}`))
}

const authorizeSubscribe: AedesOptions['authorizeSubscribe'] = (client, subscription, done) => {
  const allowed = connected.get(client)?.read.some((pattern) => covers(pattern, subscription.topic))
  if (!allowed) say(`${client.id} may not subscribe ${subscription.topic}`)
  done(null, allowed ? subscription : null)
}

const broker = await Aedes.createBroker({
  maximumPacketSize: maxPacketBytes,
  receiveMaximum: 20,
  maxTopicLevels: 10,
  sessionExpiryIntervalLimit: 3600,
  pendingSessionsLimit: 200,
  authenticate,
  authorizePublish,
  authorizeSubscribe,
})
const server = createServer({ noDelay: true }, (socket) => void broker.handle(socket))
server.maxConnections = 200
server.listen(port, '127.0.0.1', () => say(`aedes listens on 127.0.0.1:${port}`))
server.once('error', (error) => {
  say(error.message)
  process.exit(1)
})

for (const name of ['SIGTERM', 'SIGINT'] as const) {
  process.once(name, () => {
    server.close()
    broker.close(() => process.exit(0))
  })
}
