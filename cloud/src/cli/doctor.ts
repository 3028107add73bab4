import { join } from 'node:path'

import { BioTrakrError, explainError } from '@biotrakr/shared'

import { brokerAccess, databaseAccess } from '../access.ts'
import { asOwner } from '../administration.ts'
import { type CloudConfig, readConfig } from '../config.ts'
import {
  type CertificateFiles,
  examineBroker,
  examineCertificates,
  examineDatabase,
  type Finding,
  lookAtPolicies,
  lookAtRights,
  lookAtRoles,
} from '../examination.ts'
import { systemClock } from '../system-clock.ts'

/** Exit codes of `biotrakr-cloud doctor`, for its help. */
export const DOCTOR_EXIT_CODES = `
Exit codes:
  0  nothing failed; there may be warnings
  1  something failed: each line says what it means and what to do
  2  the command line is wrong`

interface DoctorOptions {
  readonly config: string
  readonly json: boolean
}

/** `biotrakr-cloud doctor`: what keeps this process of the centre from its work, and how to mend it. */
export async function runDoctor({ config: file, json }: DoctorOptions): Promise<void> {
  const findings = await examine(file)
  process.stdout.write(json ? `${JSON.stringify(findings)}\n` : findings.map(line).join(''))
  if (findings.some(({ state }) => state === 'fail')) process.exitCode = 1
}

async function examine(file: string): Promise<readonly Finding[]> {
  let config: CloudConfig
  try {
    config = readConfig(file)
  } catch (error) {
    return [{ check: 'configuration', state: 'fail', ...told(error) }]
  }
  const read: Finding = { check: 'configuration', state: 'ok', meaning: `${file}, for user ${config.database.user}` }
  return [
    nodeFinding(process.versions.node),
    read,
    ...examineCertificates(certificateFiles(config), Date.now()),
    ...(await databaseFindings(config)),
    ...(await brokerFindings(config)),
  ]
}

async function databaseFindings(config: CloudConfig): Promise<readonly Finding[]> {
  try {
    return await asOwner(databaseAccess(config, 'biotrakr-doctor'), (client) =>
      examineDatabase(client, systemClock.wallMs, [lookAtPolicies, lookAtRoles, lookAtRights]),
    )
  } catch (error) {
    return [{ check: 'database', state: 'fail', ...told(error) }]
  }
}

async function brokerFindings(config: CloudConfig): Promise<readonly Finding[]> {
  if (!config.broker) return []
  try {
    return await examineBroker(brokerAccess(config), `biotrakr-doctor-${process.pid}`, Date.now())
  } catch (error) {
    return [{ check: 'broker', state: 'fail', ...told(error) }]
  }
}

function certificateFiles({ serve, broker, enroll }: CloudConfig): CertificateFiles {
  const authorities = enroll ? ['gateway', 'centre'].map((name) => join(enroll.authorityFolder, `${name}-ca.pem`)) : []
  return {
    pages: serve.certFile,
    enrolment: enroll?.certFile,
    brokerSignIn: broker?.certFile,
    authorities,
    revocationList: enroll?.revocationListFile,
  }
}

function nodeFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [check, mend] = ['Node', 'Install Node 24.']
  if (major < 20 || (major === 20 && minor < 19))
    return { check, state: 'fail', meaning: `${version} is older than 20.19`, mend }
  if (major < 22) return { check, state: 'warn', meaning: `${version} works, but gets no security fixes`, mend }
  return { check, state: 'ok', meaning: version }
}

function told(error: unknown): Pick<Finding, 'meaning' | 'mend'> {
  if (!(error instanceof BioTrakrError)) return { meaning: explainError(error) }
  return { meaning: `${error.message} [${error.code}]`, mend: error.next }
}

function line({ check, state, meaning, mend }: Finding): string {
  const mark = { ok: 'ok  ', warn: 'WARN', fail: 'FAIL' }[state]
  return `${mark}  ${check}: ${meaning}\n${mend === undefined ? '' : `      -> ${mend}\n`}`
}
