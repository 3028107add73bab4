import { type AgentConfig, readCredential, readSecret } from './config.ts'
import { identityOf, pemOf } from './own-identity.ts'
import type { BrokerAccess } from './sync/connect-options.ts'

/**
 * The broker of a configuration, secrets read from their files. What the configuration does not name comes from the
 * enrolment of this box.
 * @throws BioTrakrError CONFIG_UNREADABLE or IDENTITY_INVALID
 */
export function brokerAccessOf(config: Pick<AgentConfig, 'broker' | 'gateway' | 'dataDir'>): BrokerAccess {
  const { url, username, passwordFile, caFile, certFile, keyFile } = config.broker
  const identity = identityOf(config)
  return {
    url,
    username: username ?? config.gateway,
    ...(identity && pemOf(identity.offer())),
    ...(identity && { ca: Buffer.from(identity.ca) }),
    ...(passwordFile && { password: readSecret(passwordFile) }),
    ...(caFile && { ca: readCredential(caFile) }),
    ...(certFile && { cert: readCredential(certFile) }),
    ...(keyFile && { key: Buffer.from(readSecret(keyFile)) }),
  }
}
