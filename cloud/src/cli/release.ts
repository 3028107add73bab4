import { BioTrakrError } from '@biotrakr/shared'

import { readConfig } from '../config.ts'
import { openReleaseShelf, type ReleaseShelf } from '../release-shelf.ts'

interface ReleaseOptions {
  readonly config: string
}

/** `biotrakr-cloud release add`: lets gateways have a release. */
export async function addRelease(folder: string, { config }: ReleaseOptions): Promise<void> {
  const release = shelfOf(config).add(folder)
  const names = release.packages.map(({ name }) => name).join(', ')
  process.stdout.write(`gateways may now take ${release.version} (${names})\n`)
}

/** `biotrakr-cloud release list` */
export async function listReleases({ config, json }: ReleaseOptions & { readonly json: boolean }): Promise<void> {
  const releases = shelfOf(config)
    .list()
    .map(({ release }) => release)
  if (json) {
    process.stdout.write(`${JSON.stringify(releases)}\n`)
    return
  }
  for (const { version, published, packages } of releases) {
    process.stdout.write(`${version}  ${published}  ${packages.map(({ architecture }) => architecture).join(', ')}\n`)
  }
}

function shelfOf(config: string): ReleaseShelf {
  const { releasesFolder } = readConfig(config).serve
  if (releasesFolder !== undefined) return openReleaseShelf(releasesFolder)
  throw new BioTrakrError(`${config} names no folder for releases`, {
    code: 'CONFIG_INVALID',
    next: 'Set `serve.releasesFolder`, for example to /var/lib/biotrakr-cloud/releases.',
  })
}
