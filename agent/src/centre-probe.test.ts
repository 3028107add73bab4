import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

import type { GatewayId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { askCentre } from './centre-probe.ts'

const gateway = 'gw-test' as GatewayId

async function askAt(listener: RequestListener): Promise<string | undefined> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const centre = { url: `http://127.0.0.1:${port}`, siteKeyFile: '', refreshMinutes: 15 }
  try {
    return await askCentre({ gateway, centre, dataDir: '/nonexistent' })
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

describe('the way to the centre', () => {
  it('is good when a site comes, and not asked for where none is configured', async () => {
    expect(await askAt((_request, response) => response.end('{}'))).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/.*gw-test/)
    expect(await askCentre({ gateway, centre: undefined, dataDir: '/nonexistent' })).toBeUndefined()
  })

  it('tells a sign-in page of the network from a centre that refuses', async () => {
    const page = askAt((_request, response) => response.end('<html>Sign in</html>'))
    await expect(page).rejects.toMatchObject({ code: 'SITE_INVALID', message: expect.stringContaining('a web page') })
    const refusal = askAt((_request, response) => response.writeHead(401).end())
    await expect(refusal).rejects.toMatchObject({ next: expect.stringContaining('biotrakr-cloud site token') })
  })
})
