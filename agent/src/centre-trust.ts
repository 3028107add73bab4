import { rootCertificates } from 'node:tls'

import { type AgentConfig, readCredential } from './config.ts'
import { identityFolder } from './own-identity.ts'
import { openIdentity } from './upkeep/identity.ts'

/**
 * Whose certificates the centre's own server may show, PEM: those of the configured authority alone; without one, of the
 * system's, and of the authority that this box enrolled with. undefined means the system's.
 * @throws BioTrakrError CONFIG_UNREADABLE or IDENTITY_INVALID
 */
export function centreAuthorities({ centre, dataDir }: Pick<AgentConfig, 'centre' | 'dataDir'>): string | undefined {
  if (centre?.caFile !== undefined) return readCredential(centre.caFile).toString('utf8')
  const identity = openIdentity(identityFolder(dataDir))
  return identity && [...rootCertificates, identity.ca].join('\n')
}
