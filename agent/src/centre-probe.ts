import { BioTrakrError, sitePath } from '@biotrakr/shared'

import { centreAuthorities } from './centre-trust.ts'
import { type AgentConfig, readSecret } from './config.ts'
import { fetchSite } from './upkeep/site-fetch.ts'

/**
 * Asks the centre for the site of this gateway, and keeps nothing of the answer.
 * @returns the address that was asked; undefined where the configuration names no centre
 * @throws BioTrakrError SITE_UNREACHABLE, SITE_INVALID or CONFIG_UNREADABLE
 */
export async function askCentre({
  centre,
  gateway,
  dataDir,
}: Pick<AgentConfig, 'centre' | 'gateway' | 'dataDir'>): Promise<string | undefined> {
  if (centre === undefined) return undefined
  const url = new URL(sitePath(gateway), centre.url).href
  const token = centre.tokenFile && readSecret(centre.tokenFile)
  const ca = centreAuthorities({ centre, dataDir })
  const answer = await fetchSite({ url, token, ca, etag: undefined })
  if (answer.kind === 'site' && !answer.text.trimStart().startsWith('{')) {
    throw new BioTrakrError(
      `a web page answers at ${url}: another server, a proxy, or the sign-in page of this network`,
      {
        code: 'SITE_INVALID',
        next: 'Correct centre.url; if it is right, let this gateway into the network without a sign-in page.',
      },
    )
  }
  return url
}
