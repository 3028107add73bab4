import 'reflect-metadata'

import { webcrypto } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import * as x509 from '@peculiar/x509'

x509.cryptoProvider.set(webcrypto)

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const DAY_MS = 86_400_000

interface Wish {
  readonly name: string
  /** DNS names, or addresses. */
  readonly hosts?: readonly string[]
  /** Days from now. */
  readonly fromDays?: number
  readonly toDays?: number
}

/** Files of a certificate and its key, PEM. */
export interface Issued {
  readonly certFile: string
  readonly keyFile: string
}

/** An authority of its own for one test, whose certificates are files of `dir`. */
export interface TestAuthority {
  readonly caFile: string
  issue(wish: Wish): Promise<Issued>
}

export async function createTestAuthority(dir: string, name = 'ca'): Promise<TestAuthority> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    ...days({}),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  })
  const caFile = join(dir, `${name}.pem`)
  writeFileSync(caFile, ca.toString('pem'))
  let count = 0
  return {
    caFile,
    async issue(wish) {
      count += 1
      const own = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
      const names = (wish.hosts ?? []).map((host) => {
        return { type: /^[\d.]+$/.test(host) ? ('ip' as const) : ('dns' as const), value: host }
      })
      const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${wish.name}`,
        issuer: ca.subject,
        ...days(wish),
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        extensions: names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : [],
      })
      const [certFile, keyFile] = [join(dir, `${name}-${count}.pem`), join(dir, `${name}-${count}.key`)]
      writeFileSync(certFile, certificate.toString('pem'))
      const der = await webcrypto.subtle.exportKey('pkcs8', own.privateKey)
      writeFileSync(keyFile, x509.PemConverter.encode(der, 'PRIVATE KEY'), { mode: 0o600 })
      return { certFile, keyFile }
    },
  }
}

function days({ fromDays = -1, toDays = 30 }: Pick<Wish, 'fromDays' | 'toDays'>) {
  const at = (count: number) => new Date(Date.now() + count * DAY_MS)
  return { notBefore: at(fromDays), notAfter: at(toDays) }
}
