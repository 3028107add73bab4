import { BioTrakrError } from '@biotrakr/shared'
import { pino } from 'pino'

import { brokerAccess, databaseAccess, serverPair } from '../access.ts'
import { readConfig, readSecret } from '../config.ts'
import { nodeCompression } from '../node-compression.ts'
import { peopleDeskOf } from '../people.ts'
import { openReleaseShelf } from '../release-shelf.ts'
import { startServer } from '../server.ts'
import { createService } from '../service.ts'
import { openSiteShelf } from '../site-shelf.ts'
import { systemClock } from '../system-clock.ts'
import { askedToStop } from './stop.ts'

interface ServeOptions {
  readonly config: string
  readonly stopOnStdinEnd: boolean
}

/** `biotrakr-cloud serve`: until told to stop. */
export async function runServe({ config: file, stopOnStdinEnd }: ServeOptions): Promise<void> {
  const config = readConfig(file)
  const { org, serve } = config
  if (org === undefined) {
    throw new BioTrakrError(`${file} does not say which organisation is served`, {
      code: 'CONFIG_INVALID',
      next: 'Set `org` to the slug of one that `biotrakr-cloud site import` has registered.',
    })
  }
  const log = pino({ name: 'biotrakr-serve', level: config.log.level })
  const server = await startServer({
    database: databaseAccess(config, 'biotrakr-serve'),
    broker: brokerAccess(config),
    org,
    host: serve.host,
    port: serve.port,
    tls: serverPair(serve),
    token: serve.tokenFile && readSecret(serve.tokenFile),
    clock: systemClock,
    random: Math.random,
    log,
    compression: nodeCompression,
    sites: serve.sitesFolder === undefined ? undefined : openSiteShelf(serve.sitesFolder),
    people: peopleDeskOf(config),
    releases: serve.releasesFolder === undefined ? undefined : openReleaseShelf(serve.releasesFolder),
  })
  const service = createService({ clock: systemClock, log, pulses: server.pulses, env: process.env, pid: process.pid })
  service.started()
  await askedToStop(stopOnStdinEnd)
  service.stopping()
  await server.stop()
}
