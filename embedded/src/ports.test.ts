import { type AddressInfo, createServer } from 'node:net'
import { describe, expect, it } from 'vitest'

import { choosePort } from './ports.ts'

describe('choosing a port', () => {
  it('takes the wished one when it is free', async () => {
    const { port } = await choosePort(undefined)
    expect(await choosePort(port)).toEqual({ port, asWished: true })
  })

  it('takes another and says so when the wished one is taken', async () => {
    const holder = createServer()
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
    const { port } = holder.address() as AddressInfo
    const choice = await choosePort(port)
    expect(choice.asWished).toBe(false)
    expect(choice.port).not.toBe(port)
    await new Promise((resolve) => holder.close(resolve))
  })
})
