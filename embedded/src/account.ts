import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

import { BioTrakrError } from '@biotrakr/shared'

/** The operating system account that a server process runs as. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** Accounts without a login of their own, in the order in which they are preferred. */
const PREFERRED = ['postgres', 'nobody']

/**
 * PostgreSQL refuses to run as root, and a broker has no business being root, so a launcher that is root gives both to
 * another account: `postgres`, else `nobody`, else the first account that is not root.
 * @param passwd text in the form of passwd(5)
 * @throws BioTrakrError CHILD_FAILED when every account is root
 */
export function pickAccount(passwd: string): Account {
  const accounts = passwd.split('\n').flatMap(readLine)
  const preferred = PREFERRED.flatMap((name) => accounts.find((account) => account.name === name) ?? [])
  const account = preferred[0] ?? accounts[0]
  if (account) return account
  throw new BioTrakrError('this machine has no account but root, and PostgreSQL refuses to run as root', {
    code: 'CHILD_FAILED',
    next: 'Add one (useradd --system postgres) or start as an ordinary user.',
  })
}

/** @returns undefined when this process is not root: servers then run as who started it */
export function serverAccount(): Account | undefined {
  return process.getuid?.() === 0 ? pickAccount(readFileSync('/etc/passwd', 'utf8')) : undefined
}

/** Asks the kernel, not the mode bits, so that access lists and read-only homes count too. */
export function canReach(account: Account, path: string): boolean {
  const { uid, gid } = account
  const probe = 'if test -d "$1"; then test -x "$1"; else test -r "$1"; fi'
  return spawnSync('/bin/sh', ['-c', probe, 'sh', path], { uid, gid, cwd: '/', stdio: 'ignore' }).status === 0
}

function readLine(line: string): Account[] {
  const [name, , uid, gid] = line.split(':')
  if (!name || !uid || !gid) return []
  const account = { name, uid: Number(uid), gid: Number(gid) }
  return account.uid > 0 && Number.isInteger(account.uid) && Number.isInteger(account.gid) ? [account] : []
}
