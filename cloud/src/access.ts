import { BioTrakrError } from '@biotrakr/shared'

import { type CloudConfig, readFile, readSecret } from './config.ts'
import type { BrokerAddress } from './ingest/broker.ts'
import type { DatabaseOptions } from './upkeep/connection.ts'

/** The database of a configuration, secrets read from their files. */
export function databaseAccess({ database }: CloudConfig, application: string): DatabaseOptions {
  const { host, port, user, passwordFile, tls, caFile, pooling } = database
  return {
    host,
    port,
    user,
    application,
    pooled: pooling === 'transaction',
    database: database.database,
    ...(passwordFile && { password: readSecret(passwordFile) }),
    ssl: tls === 'verify' && (caFile ? { ca: readFile(caFile).toString('utf8') } : true),
  }
}

/** Certificate and key of `serve`, read at every call; undefined where a proxy speaks TLS, or nobody. */
export function serverPair({ certFile, keyFile }: CloudConfig['serve']) {
  if (certFile === undefined || keyFile === undefined) return undefined
  return () => ({ certificate: readFile(certFile).toString('utf8'), key: readSecret(keyFile) })
}

/** The broker of a configuration, secrets read from their files. @throws BioTrakrError CONFIG_INVALID without one */
export function brokerAccess({ broker }: CloudConfig): BrokerAddress {
  if (!broker) {
    throw new BioTrakrError('the configuration names no broker', {
      code: 'CONFIG_INVALID',
      next: 'Add a section `broker` with `url`, `username` and `passwordFile`.',
    })
  }
  const { url, username, passwordFile, caFile, certFile, keyFile } = broker
  return {
    url,
    ...(username && { username }),
    ...(passwordFile && { password: readSecret(passwordFile) }),
    ...(caFile && { ca: readFile(caFile) }),
    ...(certFile && { cert: readFile(certFile) }),
    ...(keyFile && { key: Buffer.from(readSecret(keyFile)) }),
  }
}
