import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { type ClientRequest, get, type IncomingMessage } from 'node:http'
import { get as getTls } from 'node:https'
import type { PeerCertificate } from 'node:tls'

import { apiTokenFile } from './api-token.ts'
import { type AgentConfig, readSecret } from './config.ts'

type AgentAddress = Pick<AgentConfig, 'api' | 'dataDir'>

/** An address that means "all of this machine" is none to connect to. */
const ANY: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

/**
 * Asks the running agent of a configuration, with its token where there is one. Over TLS only the very certificate of
 * the configuration is accepted, whatever names it carries.
 * @param timeoutMs of silence; the request then emits `timeout`
 * @throws BioTrakrError CONFIG_UNREADABLE
 */
export function askAgent(
  { api, dataDir }: AgentAddress,
  path: string,
  { timeoutMs, onAnswer }: { readonly timeoutMs?: number; readonly onAnswer: (answer: IncomingMessage) => void },
): ClientRequest {
  const host = api.host.replace(/^\[|\]$/g, '')
  const tokenFile = apiTokenFile(dataDir)
  const options = {
    host: ANY[host] ?? host,
    port: api.port,
    path,
    ...(existsSync(tokenFile) && { headers: { authorization: `Bearer ${readSecret(tokenFile)}` } }),
    ...(timeoutMs !== undefined && { timeout: timeoutMs }),
  }
  return api.certFile === undefined
    ? get(options, onAnswer)
    : getTls({ ...options, ...pinned(readFileSync(api.certFile)) }, onAnswer)
}

function pinned(pem: Buffer) {
  const { fingerprint256 } = new X509Certificate(pem)
  return {
    ca: pem,
    allowPartialTrustChain: true,
    checkServerIdentity: (_host: string, given: PeerCertificate) =>
      given.fingerprint256 === fingerprint256 ? undefined : new Error('another certificate than that of api.certFile'),
  }
}
