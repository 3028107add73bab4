import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { BioTrakrError, RELEASE_FILE, type Release, type ReleasePackage, SIGNATURE_FILE } from '@biotrakr/shared'

import type { Obtained } from './updater.ts'
import { choosePackage, openRelease } from './upkeep/release-check.ts'
import { downloadPackage, fetchRelease, type ReleaseCentre } from './upkeep/release-download.ts'
import type { ReleasePlaces, Slot } from './upkeep/release-slots.ts'

/** The newest release of the centre, if this box does not have it. @throws as `fetchRelease`, `downloadPackage` do */
export async function obtainFromCentre(
  centre: ReleaseCentre,
  { places, present }: { readonly places: ReleasePlaces; readonly present: Slot },
): Promise<Obtained | undefined> {
  const { release, found } = judge(await fetchRelease(centre), { origin: centre.url, present })
  if (!found) return undefined
  const file = downloadOf(places, found)
  await downloadPackage(centre, found, file)
  return { release, file }
}

/** The same from a folder, for a gateway without a line to the centre. */
export function obtainFromFolder(
  folder: string,
  { places, present }: { readonly places: ReleasePlaces; readonly present: Slot },
): Obtained | undefined {
  const read = (name: string) => {
    try {
      return readFileSync(join(folder, name))
    } catch (cause) {
      const next = 'Name the folder of a release, with release.json, its signature and its packages.'
      throw new BioTrakrError(`cannot read ${join(folder, name)}`, { code: 'CONFIG_UNREADABLE', next, cause })
    }
  }
  const signed = {
    document: read(RELEASE_FILE).toString('utf8'),
    signature: read(SIGNATURE_FILE).toString('utf8').trim(),
  }
  const { release, found } = judge(signed, { origin: folder, present })
  if (!found) return undefined
  const content = read(found.name)
  const isWhole = createHash('sha256').update(content).digest('hex') === found.sha256
  if (!isWhole) {
    throw new BioTrakrError(`${found.name} is not what the release document says`, {
      code: 'RELEASE_REFUSED',
      next: 'Nothing was changed. Copy the release again.',
    })
  }
  // The stick may be pulled out.
  const file = downloadOf(places, found)
  writeFileSync(file, content, { mode: 0o600 })
  return { release, file }
}

interface Judged {
  readonly release: Release
  readonly found: ReleasePackage | undefined
}

/** Only keys of the release that runs now count. */
function judge(signed: unknown, { origin, present }: { readonly origin: string; readonly present: Slot }): Judged {
  const pins = readFileSync(join(present.folder, 'release-keys.pem'), 'utf8')
  const release = openRelease(signed, { pins, origin })
  const nodeMajor = Number(process.versions.node.split('.')[0])
  return { release, found: choosePackage(release, { arch: process.arch, nodeMajor, present }) }
}

function downloadOf({ updates }: ReleasePlaces, { name }: ReleasePackage): string {
  const folder = join(updates, 'downloads')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return join(folder, name)
}
