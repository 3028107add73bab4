import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

import { describe, expect, it } from 'vitest'

import { brokerAccessList, brokerConfig } from './broker-config.ts'

const SHIPPED = resolve(import.meta.dirname, '../../../deploy/mosquitto')
const shipped = (name: string) => readFileSync(join(SHIPPED, name), 'utf8')

describe('the configuration of the broker', () => {
  it('is shipped as it is made here, by `biotrakr-cloud broker-config`', () => {
    const at = (name: string) => `/etc/mosquitto/biotrakr/${name}`
    const made = brokerConfig({
      gateways: { port: 8883 },
      centre: { port: 8884 },
      certFile: at('broker.pem'),
      keyFile: at('broker.key'),
      gatewayCaFile: at('gateway-ca.pem'),
      centreCaFile: at('centre-ca.pem'),
      revocationListFile: at('gateways.crl'),
      aclFile: at('acl'),
      pidFile: '/run/mosquitto/mosquitto.pid',
      maxGateways: 2_000,
    })
    expect(shipped('mosquitto.conf')).toBe(made)
    expect(shipped('acl')).toBe(brokerAccessList())
  })

  it('has room for more open files than connections of gateways', () => {
    const files = Number(/LimitNOFILE=(\d+)/.exec(shipped('limits.conf'))?.[1])
    const connections = Number(/max_connections (\d+)/.exec(shipped('mosquitto.conf'))?.[1])
    expect(files).toBeGreaterThanOrEqual(connections + 150)
  })
})
