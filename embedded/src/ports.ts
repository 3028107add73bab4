import { type AddressInfo, createServer } from 'node:net'

import { BioTrakrError } from '@biotrakr/shared'

const LOOPBACK = '127.0.0.1'

interface PortChoice {
  readonly port: number
  /** False when the wish could not be met. */
  readonly asWished: boolean
}

/** @param wish the port to take when it is free; undefined = any */
export async function choosePort(wish: number | undefined): Promise<PortChoice> {
  if (wish !== undefined) {
    const port = await listenOnce(wish)
    if (port !== undefined) return { port, asWished: true }
  }
  const port = await listenOnce(0)
  if (port !== undefined) return { port, asWished: wish === undefined }
  throw new BioTrakrError(`no port is free on ${LOOPBACK}`, { code: 'PORT_IN_USE', next: 'End what holds them.' })
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      const { port: found } = server.address() as AddressInfo
      server.close(() => resolve(found))
    })
  })
}
