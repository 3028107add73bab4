import { X509Certificate } from 'node:crypto'
import { chownSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'

import type { Authority, Validity } from './authority.ts'
import { replaceFile } from './authority-files.ts'

/** Extended key usage of a server (RFC 5280, section 4.2.1.12). */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'

/** Pairs of a folder, or the one that a path names, each without its ending. */
export function pairsAt(path: string): readonly string[] {
  if (!existsSync(path) || !statSync(path).isDirectory()) return [path.replace(/\.(pem|key)$/, '')]
  return readdirSync(path)
    .filter((name) => name.endsWith('.pem') && existsSync(join(path, name.replace(/pem$/, 'key'))))
    .map((name) => join(path, name.slice(0, -4)))
    .sort()
}

/**
 * Issues a pair anew under the names that it has, in its place and with its owner.
 * @param path without its ending
 * @returns false for a certificate of another authority, which stays as it is
 * @throws BioTrakrError CONFIG_UNREADABLE
 */
export async function renewPair(path: string, authority: Authority, validity: Validity): Promise<boolean> {
  const present = readCertificate(`${path}.pem`)
  if (!present.verify(new X509Certificate(authority.centreCa).publicKey)) return false
  const { certificate, key } = await authority.centre(subjectOf(present), validity)
  const { uid, gid } = statSync(`${path}.pem`)
  // Whoever reads between the two sees a pair that does not fit, and looks again.
  for (const [file, text, mode] of [
    [`${path}.key`, key, 0o400],
    [`${path}.pem`, certificate, 0o644],
  ] as const) {
    replaceFile(file, text, mode)
    if (process.getuid?.() === 0) chownSync(file, uid, gid)
  }
  return true
}

function readCertificate(file: string): X509Certificate {
  try {
    return new X509Certificate(readFileSync(file))
  } catch (cause) {
    throw new BioTrakrError(`there is no certificate in ${file}`, {
      code: 'CONFIG_UNREADABLE',
      next: 'Name the pair without its ending, or its folder; `biotrakr-cloud ca server` makes a first one.',
      cause,
    })
  }
}

function subjectOf(certificate: X509Certificate): Parameters<Authority['centre']>[0] {
  if (!certificate.keyUsage?.includes(SERVER_AUTH)) {
    return { process: certificate.subject.replace(/^CN=/, '') }
  }
  // `DNS:broker.example, IP Address:10.0.0.5`; no name of ours holds a comma.
  const names = (certificate.subjectAltName ?? '').split(', ').map((part) => part.replace(/^(DNS|IP Address):/, ''))
  return { server: names }
}
