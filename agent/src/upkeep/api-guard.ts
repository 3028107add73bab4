import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

interface ApiGuardOptions {
  /** Where the API listens. */
  readonly host: string
  /** Whoever can read the agent's files knows it. */
  readonly token: string
}

interface Refusal {
  readonly status: 401 | 403 | 421
  readonly why: string
}

export interface ApiGuard {
  /** True when other machines can connect. */
  readonly isWide: boolean
  /**
   * @param isSensitive whether the answer would tell of tags: that takes the token on loopback too
   * @returns why the request is not answered; undefined when it may be
   */
  refusal(request: IncomingMessage, isSensitive: boolean): Refusal | undefined
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1'])
/** What a browser says of a request that its own page, or the address line, made (w3.org/TR/fetch-metadata). */
const OWN_SITE = new Set(['same-origin', 'none'])

const isLoopback = (host: string): boolean => LOOPBACK.has(plainHost(host))

/** An IPv6 address without the brackets that it has in a URL. */
export const plainHost = (host: string): string => host.replace(/^\[|\]$/g, '')

/**
 * Who may ask what. On loopback, what tells nothing of tags needs no token; so that no web page can read it through a
 * visitor's browser, the request must name this machine (a name of a foreign page that leads here does not) and must
 * not come from another site. Where other machines can connect, everything needs the token.
 */
export function createApiGuard({ host, token }: ApiGuardOptions): ApiGuard {
  const isWide = !isLoopback(host)
  return {
    isWide,
    refusal({ headers, url }, isSensitive) {
      if (!isWide && !isLoopback(hostnameOf(headers.host))) {
        return { status: 421, why: 'this name is not one of this machine: use http://127.0.0.1 or http://localhost' }
      }
      const site = headers['sec-fetch-site']
      const isForeign = typeof site === 'string' && !OWN_SITE.has(site)
      // A link to the page is fine: it shows nothing to whoever links.
      if (isForeign && !(url === '/' && headers['sec-fetch-mode'] === 'navigate')) {
        return { status: 403, why: 'other web sites may not ask this' }
      }
      if (!isSensitive && !isWide) return undefined
      if (isSame(headers.authorization ?? '', `Bearer ${token}`)) return undefined
      return { status: 401, why: 'the token in api.token of the data folder is needed' }
    },
  }
}

/** The name in a Host header, without port and brackets. */
function hostnameOf(host: string | undefined): string {
  const name = /^(\[[0-9a-f:.]+\]|[^:/?#@\s]+)(?::\d{1,5})?$/i.exec(host ?? '')?.[1] ?? ''
  return plainHost(name.toLowerCase())
}

/** Takes the same time wherever the two differ. */
function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  return a.length === b.length && timingSafeEqual(a, b)
}
