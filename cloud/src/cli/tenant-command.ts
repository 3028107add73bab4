import { userInfo } from 'node:os'

import { BioTrakrError } from '@biotrakr/shared'

import { databaseAccess } from '../access.ts'
import { type TenantSession, withTenant } from '../administration.ts'
import { type CloudConfig, readConfig } from '../config.ts'

/** Whoever typed the command, for the audit chain. */
export function operatorName(): string {
  try {
    return `operator:${userInfo().username}`
  } catch {
    // In a container the number of a user need not have a name.
    return `operator:uid-${process.getuid?.()}`
  }
}

interface Wish {
  readonly org?: string | undefined
  readonly purpose?: string | undefined
}

/**
 * Runs a command in the organisation of its configuration, which logs in as bt_api.
 * @param wish another organisation than that of the configuration; what people's data is asked for
 * @throws BioTrakrError CONFIG_INVALID for a configuration that names no organisation
 */
export function inTenant<T>(
  path: string,
  work: (tenant: TenantSession, config: CloudConfig) => Promise<T>,
  { org: other, purpose }: Wish = {},
): Promise<T> {
  const config = readConfig(path)
  const org = other ?? config.org
  if (org === undefined) {
    throw new BioTrakrError(`${path} names no organisation`, {
      code: 'CONFIG_INVALID',
      next: 'Set `org` to the short name of the organisation, and let database.user be bt_api.',
    })
  }
  const access = databaseAccess(config, 'biotrakr-command')
  return withTenant(access, { org, actor: operatorName(), purpose }, (tenant) => work(tenant, config))
}
