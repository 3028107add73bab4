import { mkdirSync } from 'node:fs'

import type { EnrolmentCode, GatewayId } from '@biotrakr/shared'

import type { AgentConfig } from './config.ts'
import { identityFolder } from './own-identity.ts'
import { enrolWithCode } from './upkeep/enrolment-client.ts'
import { datesOf, writeIdentity } from './upkeep/identity.ts'

/**
 * Makes this box the gateway that its configuration names.
 * @throws BioTrakrError ENROL_UNREACHABLE, ENROL_UNTRUSTED or ENROL_REFUSED
 */
export async function enrolBox(
  { gateway, dataDir }: Pick<AgentConfig, 'gateway' | 'dataDir'>,
  url: string,
  code: EnrolmentCode,
): Promise<{ readonly gateway: GatewayId; readonly untilMs: number }> {
  // Before the code is used up: a folder that cannot be written would waste it.
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const { pair, ca } = await enrolWithCode({ url, gateway }, code)
  writeIdentity(identityFolder(dataDir), { gateway, url, ca }, pair)
  return { gateway, untilMs: datesOf(pair.certificate).untilMs }
}
