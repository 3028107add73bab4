import { aclPatterns, filters, type GatewayId } from '@biotrakr/shared'

import type { Password } from './data-folder.ts'

/** Who may log in to the broker, and which topics they may read and write there (topic filters). */
export interface BrokerUser {
  readonly name: string
  readonly password: Password
  readonly read: readonly string[]
  readonly write: readonly string[]
}

interface Passwords {
  readonly gateway: Password
  readonly ingester: Password
  readonly serve: Password
}

/** The product's broker users: a gateway sees its own tree only, and the server that shows positions writes nothing. */
export function brokerUsers(gateway: GatewayId, passwords: Passwords): Record<keyof Passwords, BrokerUser> {
  const own = (pattern: string) => pattern.replace('%u', gateway)
  return {
    gateway: {
      name: gateway,
      password: passwords.gateway,
      read: [own(aclPatterns.gatewayRead)],
      write: [own(aclPatterns.gatewayWrite)],
    },
    ingester: {
      name: 'ingester',
      password: passwords.ingester,
      read: [aclPatterns.centreRead],
      write: [aclPatterns.centreWrite],
    },
    serve: { name: 'serve', password: passwords.serve, read: [filters.live, filters.state], write: [] },
  }
}

/**
 * Whether everything that `filter` stands for is also allowed by `pattern`; both are MQTT topic filters, and a topic
 * without wildcards is a filter for itself (MQTT 5.0 section 4.7). `#` also covers its parent level.
 */
export function covers(pattern: string, filter: string): boolean {
  const allowed = pattern.split('/')
  const asked = filter.split('/')
  for (const [i, level] of allowed.entries()) {
    if (level === '#') return true
    const word = asked[i]
    if (word === undefined || word === '#') return false
    if (level !== '+' && level !== word) return false
  }
  // `a/#` also matches `a` itself, so a pattern without `#` never covers a filter with one.
  return asked.length === allowed.length
}
