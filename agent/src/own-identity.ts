import { join } from 'node:path'

import { BioTrakrError, type Clock, type Random } from '@biotrakr/shared'
import type { Logger } from 'pino'

import type { AgentConfig } from './config.ts'
import type { BrokerAccess } from './sync/connect-options.ts'
import { renewCertificate } from './upkeep/enrolment-client.ts'
import { type Identity, type KeyPair, openIdentity } from './upkeep/identity.ts'
import { createRenewal, type RenewalStatus } from './upkeep/renewal.ts'

type Access = Pick<BrokerAccess, 'cert' | 'key'>

/** The identity of a running agent: what the uplink shows, and its renewal. */
export interface OwnIdentity {
  /** For the uplink. */
  readonly uplink: { readonly credentials: () => Access; readonly onConnected: () => void }
  start(parts: { readonly reconnect: () => void; readonly store: () => string }): void
  stop(): void
  status(): RenewalStatus | undefined
}

interface Parts {
  readonly config: AgentConfig
  readonly clock: Clock
  readonly random: Random
  readonly log: Pick<Logger, 'info' | 'warn'>
}

/** Where `biotrakr enroll` puts key and certificate. */
export function identityFolder(dataDir: string): string {
  return join(dataDir, 'identity')
}

/**
 * @returns undefined where the configuration names a certificate or needs none, and where this box has not enrolled
 * @throws BioTrakrError IDENTITY_INVALID
 */
export function identityOf({
  broker,
  gateway,
  dataDir,
}: Pick<AgentConfig, 'broker' | 'gateway' | 'dataDir'>): Identity | undefined {
  if (broker.certFile !== undefined || broker.url.startsWith('mqtt:')) return undefined
  const identity = openIdentity(identityFolder(dataDir))
  if (identity === undefined || identity.gateway === gateway) return identity
  throw new BioTrakrError(`this box is enrolled as ${identity.gateway}, but the configuration says ${gateway}`, {
    code: 'IDENTITY_INVALID',
    next: 'Set `gateway` to the enrolled name, or enrol again under the other one.',
  })
}

export function pemOf({ certificate, key }: KeyPair): Required<Access> {
  return { cert: Buffer.from(certificate), key: Buffer.from(key) }
}

/** @returns undefined as `identityOf` does */
export function createOwnIdentity({ config, ...parts }: Parts): OwnIdentity | undefined {
  const identity = identityOf(config)
  if (identity === undefined) return undefined
  let renewal: ReturnType<typeof createRenewal> | undefined
  return {
    uplink: { credentials: () => pemOf(identity.offer()), onConnected: identity.proven },
    start: ({ reconnect, store }) => {
      const renew = (present: KeyPair) => renewCertificate(identity, present, store())
      renewal = createRenewal({ ...parts, identity, renew, reconnect })
      renewal.start()
    },
    stop: () => renewal?.stop(),
    status: () => renewal?.status(),
  }
}
