import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'

import { brokerAccess, databaseAccess } from './access.ts'
import { readConfig, readSecret } from './config.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'biotrakr-cloud-config-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

function write(name: string, content: unknown): string {
  const file = join(dir, name)
  writeFileSync(file, typeof content === 'string' ? content : stringify(content), { mode: 0o600 })
  return file
}

const good = {
  database: { host: '127.0.0.1', user: 'bt_api', passwordFile: 'db.password', tls: 'off' },
  broker: { url: 'mqtt://127.0.0.1:1883', username: 'serve', passwordFile: 'broker.password' },
  org: 'mercy',
}

function problemsOf(document: unknown): string {
  try {
    readConfig(write('cloud.yaml', document))
  } catch (error) {
    if (error instanceof BioTrakrError) return `${error.code} ${error.message}`
    throw error
  }
  return 'accepted'
}

describe('the configuration of the centre', () => {
  it('fills in what is not said and resolves the paths of every file it names', () => {
    const config = readConfig(write('cloud.yaml', good))
    expect(config.database).toMatchObject({ port: 5432, database: 'biotrakr', passwordFile: join(dir, 'db.password') })
    expect(config.broker?.passwordFile).toBe(join(dir, 'broker.password'))
    expect(config.serve).toEqual({ host: '127.0.0.1', port: 8080, behindProxy: false })
  })

  it('reports every problem at once, each with its path', () => {
    const text = problemsOf({
      ...good,
      database: { user: '', port: 0, sslmode: 'on' },
      serve: { port: 99_999 },
      colour: 1,
    })
    expect(text).toMatch(/^CONFIG_INVALID .*cloud\.yaml has 5 problems:/)
    for (const path of [
      'database.user: ',
      'database.port: ',
      'database.sslmode: unknown key',
      'serve.port: ',
      'colour: unknown key',
    ]) {
      expect(text).toContain(`\n  ${path}`)
    }
  })

  it('refuses unencrypted connections to other machines, and an open API without a token', () => {
    const text = problemsOf({
      ...good,
      database: { ...good.database, host: 'db.hospital.example' },
      broker: { ...good.broker, url: 'mqtt://broker.hospital.example', certFile: 'a.pem' },
      serve: { host: '0.0.0.0' },
    })
    for (const line of [
      'database.tls: must be "verify"',
      'broker.url: must use mqtts://',
      'broker.keyFile: certFile and keyFile belong together',
      'serve.tokenFile: is needed',
    ]) {
      expect(text).toContain(line)
    }
  })

  it('opens serve to other machines with TLS only, its own or that of a proxy', () => {
    const problems = (serve: object): string => {
      try {
        readConfig(write('cloud.yaml', { ...good, serve: { host: '0.0.0.0', tokenFile: 'token', ...serve } }))
        return ''
      } catch (error) {
        return String(error)
      }
    }
    expect(problems({})).toContain('serve.certFile: is needed when serve.host is not this machine alone')
    expect(problems({ certFile: 'page.pem' })).toContain('serve.keyFile: certFile and keyFile belong together')
    expect(problems({ certFile: 'page.pem', keyFile: 'page.key' })).toBe('')
    expect(problems({ behindProxy: true })).toBe('')
  })

  it('takes secrets only from files that nobody else can read', () => {
    const file = write('db.password', 'tulip\n')
    expect(databaseAccess(readConfig(write('cloud.yaml', good)), 'test').password).toBe('tulip')
    chmodSync(file, 0o640)
    expect(() => readSecret(file)).toThrow(/can be read by other users/)
  })

  it('says which section is missing when a command needs a broker', () => {
    const { broker: _, ...withoutBroker } = good
    expect(() => brokerAccess(readConfig(write('cloud.yaml', withoutBroker)))).toThrow(/names no broker/)
  })
})
