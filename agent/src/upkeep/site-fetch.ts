import { BioTrakrError } from '@biotrakr/shared'
import { Agent, request } from 'undici'

interface SiteRequest {
  /** Whole address of the site of this gateway. */
  readonly url: string
  readonly token?: string | undefined
  /** PEM of the authority that the centre's certificate must come from; without it, the system's. */
  readonly ca?: string | undefined
  /** Of the site that is held. */
  readonly etag?: string | undefined
}

/** `same`: what is held is the newest. */
type Answer =
  | { readonly kind: 'same' }
  | { readonly kind: 'site'; readonly text: string; readonly etag: string | undefined }

const CONNECT_MS = 10_000
const ANSWER_MS = 30_000
/** Above the largest site. */
const MAX_BYTES = 80_000_000

/**
 * Asks the centre for the site, once.
 * @throws BioTrakrError SITE_UNREACHABLE, with what stands in the way
 */
export async function fetchSite({ url, token, ca, etag }: SiteRequest): Promise<Answer> {
  const dispatcher = new Agent({
    connect: { timeout: CONNECT_MS, ...(ca && { ca }) },
    headersTimeout: ANSWER_MS,
    bodyTimeout: ANSWER_MS,
    maxResponseSize: MAX_BYTES,
  })
  try {
    const headers = {
      accept: 'application/json',
      ...(token && { authorization: `Bearer ${token}` }),
      ...(etag && { 'if-none-match': etag }),
    }
    const { statusCode, headers: given, body } = await request(url, { dispatcher, headers })
    const text = await body.text()
    if (statusCode === 304) return { kind: 'same' }
    if (statusCode === 200) return { kind: 'site', text, etag: one(given['etag']) }
    throw refused(url, statusCode)
  } catch (cause) {
    if (cause instanceof BioTrakrError) throw cause
    throw new BioTrakrError(`the centre at ${url} does not answer`, {
      code: 'SITE_UNREACHABLE',
      next: 'Check the network, centre.url and centre.caFile; the last good site serves meanwhile.',
      cause,
    })
  } finally {
    await dispatcher.close()
  }
}

const one = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value)

function refused(url: string, status: number): BioTrakrError {
  const next =
    status === 404
      ? 'Publish one with `biotrakr-cloud site publish`, and check the name of the gateway.'
      : status === 401 || status === 403
        ? 'Renew the token with `biotrakr-cloud site token` and write it to centre.tokenFile.'
        : 'See the log of the centre; the last good site serves meanwhile.'
  return new BioTrakrError(`the centre at ${url} answers ${status}`, { code: 'SITE_UNREACHABLE', next })
}
