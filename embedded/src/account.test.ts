import { describe, expect, it } from 'vitest'

import { canReach, pickAccount } from './account.ts'

const PASSWD = 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n'

describe('the account that servers run as when the launcher is root', () => {
  it('is postgres where there is one', () => {
    expect(pickAccount(`${PASSWD}postgres:x:101:104::/:/bin/sh\n`)).toEqual({ name: 'postgres', uid: 101, gid: 104 })
  })

  it('is nobody where there is no postgres, and else any other', () => {
    expect(pickAccount(PASSWD).name).toBe('nobody')
    expect(pickAccount('root:x:0:0:::\ndaemon:x:1:1:::\n').name).toBe('daemon')
  })

  it('is never root under another name', () => {
    expect(() => pickAccount('root:x:0:0:::\ntoor:x:0:0:::\nbroken line\n:x:5:5\n')).toThrow(/no account but root/)
  })

  it.skipIf(process.getuid?.() !== 0)('[needs root] is asked whether it reaches a path', () => {
    const account = pickAccount(PASSWD)
    expect(canReach(account, '/')).toBe(true)
    expect(canReach(account, '/root/no-such-place')).toBe(false)
  })
})
