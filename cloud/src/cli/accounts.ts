import type { Command } from 'commander'

import { systemClock } from '../system-clock.ts'
import {
  type Account,
  addRole,
  changeRole,
  changeSecurityPolicy,
  ensureSystemRoles,
  grantRole,
  inviteAccount,
  listAccounts,
  listRoles,
  lockAccount,
  readSecurityPolicy,
  revokeRole,
  unlockAccount,
} from '../trust.ts'
import { type Common, commandOf, print, wholeNumber } from './options.ts'
import { inTenant } from './tenant-command.ts'

/** `biotrakr-cloud accounts`: who may sign in, and as what. */
export function addAccounts(cloud: Command): void {
  const group = cloud.command('accounts').description('who may sign in, and which roles they have (as bt_api)')
  commandOf(group, 'list', 'every account and its roles').action(({ config, json }: Common) =>
    inTenant(config, async (tenant) => {
      const accounts = await tenant.read((client) => listAccounts(client, now()))
      print(json, accounts, accounts.length === 0 ? ['no account yet'] : accounts.map(accountLine))
    }),
  )
  commandOf(group, 'invite <email>', 'print a code with which its owner sets the password, once, within three days')
    .requiredOption('--name <name>', 'how the account is shown')
    .option('--role <role>', 'give this role as well')
    .option('--facility <code>', 'the role in this facility only')
    .action((email: string, options: Common & { name: string; role?: string; facility?: string }) =>
      invite(email, options),
    )
  commandOf(group, 'lock <email>', 'keep the account out from its next request on').action(
    (email: string, { config, json }: Common) =>
      inTenant(config, async (tenant) => {
        await tenant.write((client) => lockAccount(client, email, now()))
        print(json, { email, locked: true }, [`${email} is locked`])
      }),
  )
  commandOf(group, 'unlock <email>', 'let it in again, also after too many wrong passwords').action(
    (email: string, { config, json }: Common) =>
      inTenant(config, async (tenant) => {
        await tenant.write((client) => unlockAccount(client, email))
        print(json, { email, locked: false }, [`${email} may sign in`])
      }),
  )
  const change = { grant: grantRole, revoke: revokeRole }
  for (const verb of ['grant', 'revoke'] as const) {
    const what = verb === 'grant' ? 'give a role' : 'take a role away'
    commandOf(group, `${verb} <email> <role>`, `${what}, in all facilities or in one`)
      .option('--facility <code>', 'in this facility only')
      .action((email: string, role: string, { config, json, facility }: Common & { facility?: string }) =>
        inTenant(config, async (tenant) => {
          await tenant.write(async (client) => {
            await ensureSystemRoles(client)
            await change[verb](client, email, { role, facility, ...now() })
          })
          const place = facility ?? 'all facilities'
          print(json, { email, role, facility: facility ?? null }, [`${email}: ${verb} ${role} in ${place}`])
        }),
      )
  }
}

/** The code goes to standard output and nowhere else. */
function invite(
  email: string,
  { config, json, name, role, facility }: Common & { name: string; role?: string; facility?: string },
): Promise<void> {
  return inTenant(config, async (tenant) => {
    const invitation = await tenant.write(async (client) => {
      const made = await inviteAccount(client, { email, name }, now())
      if (role !== undefined) {
        await ensureSystemRoles(client)
        await grantRole(client, made.email, { role, facility, ...now() })
      }
      return made
    })
    print(json, invitation, [invitation.code])
    if (json) return
    const until = invitation.until.toISOString()
    process.stderr.write(
      `for ${invitation.email}, once, until ${until}; with it POST /api/v1/invitation sets the password\n`,
    )
  })
}

/** `biotrakr-cloud roles`: the product's and the organisation's own. */
export function addRoles(cloud: Command): void {
  const group = cloud.command('roles').description('what roles allow; each organisation may add its own (as bt_api)')
  commandOf(group, 'list', 'every role and its rights').action(({ config, json }: Common) =>
    inTenant(config, async (tenant) => {
      const roles = await tenant.write(async (client) => {
        await ensureSystemRoles(client)
        return listRoles(client)
      })
      const lines = roles.map(({ code, name, system, permissions }) => {
        const origin = system ? 'system' : 'own'
        return `${code}  ${name}  ${origin}  ${permissions.join(' ')}`
      })
      print(json, roles, lines)
    }),
  )
  commandOf(
    group,
    'add <code> <rights...>',
    'a role with these rights, for example `roles add par asset.read tag.read`',
  )
    .requiredOption('--name <name>', 'how the role is shown')
    .action((code: string, permissions: string[], { config, json, name }: Common & { name: string }) =>
      inTenant(config, async (tenant) => {
        const role = await tenant.write((client) => addRole(client, { code, name, permissions }))
        print(json, role, [`${role.code}: ${role.permissions.join(' ')}`])
      }),
    )
  commandOf(group, 'set <code> <rights...>', 'other rights for a role of your own, at once for all who have it')
    .option('--name <name>', 'another name')
    .action((code: string, permissions: string[], { config, json, name }: Common & { name?: string }) =>
      inTenant(config, async (tenant) => {
        const role = await tenant.write((client) => changeRole(client, code, { permissions, name }))
        print(json, role, [`${role.code}: ${role.permissions.join(' ')}`])
      }),
    )
}

/** `biotrakr-cloud security-policy`: passwords, lock-out and the length of sessions. */
export function addSecurityPolicy(cloud: Command): void {
  const group = cloud.command('security-policy').description('how accounts sign in (as bt_api)')
  const lines = (policy: object) => Object.entries(policy).map(([name, value]) => `${name}  ${value}`)
  commandOf(group, 'show', 'what holds now').action(({ config, json }: Common) =>
    inTenant(config, async (tenant) => {
      const policy = await tenant.read(readSecurityPolicy)
      print(json, policy, lines(policy))
    }),
  )
  commandOf(group, 'set', 'change what is named')
    .option('--min-length <n>', 'characters of a password, 8 to 128', wholeNumber)
    .option('--max-failures <n>', 'wrong passwords in a row before a lock-out', wholeNumber)
    .option('--lockout-min <n>', 'minutes of a lock-out', wholeNumber)
    .option('--idle-min <n>', 'minutes without a request after which a session ends', wholeNumber)
    .option('--absolute-h <n>', 'hours after which a session ends', wholeNumber)
    .action(({ config, json, ...change }: Common & Record<string, unknown>) =>
      inTenant(config, async (tenant) => {
        const policy = await tenant.write((client) => changeSecurityPolicy(client, change))
        print(json, policy, lines(policy))
      }),
    )
}

const now = () => ({ nowMs: systemClock.wallMs() })

function accountLine({ email, name, status, lockedUntil, lastLoginAt, roles }: Account): string {
  const held = roles.map(({ role, facility }) => (facility === null ? role : `${role}@${facility}`)).join(' ')
  const lock = lockedUntil === null ? '' : `  locked out until ${lockedUntil.toISOString()}`
  return `${email}  ${name}  ${status}${lock}  last login ${lastLoginAt?.toISOString() ?? 'never'}  ${held || 'no role'}`
}
