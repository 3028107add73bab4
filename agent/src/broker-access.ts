import { type AgentConfig, readCredential, readSecret } from './config.ts'
import type { BrokerAccess } from './sync/connect-options.ts'

/**
 * The broker of a configuration, secrets read from their files.
 * @throws BioTrakrError CONFIG_UNREADABLE
 */
export function brokerAccessOf({ broker, gateway }: Pick<AgentConfig, 'broker' | 'gateway'>): BrokerAccess {
  const { url, username, passwordFile, caFile, certFile, keyFile } = broker
  return {
    url,
    username: username ?? gateway,
    ...(passwordFile && { password: readSecret(passwordFile) }),
    ...(caFile && { ca: readCredential(caFile) }),
    ...(certFile && { cert: readCredential(certFile) }),
    ...(keyFile && { key: Buffer.from(readSecret(keyFile)) }),
  }
}
