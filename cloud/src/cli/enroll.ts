import { BioTrakrError } from '@biotrakr/shared'
import { pino } from 'pino'

import { databaseAccess } from '../access.ts'
import { type CloudConfig, readConfig } from '../config.ts'
import { startEnrolment } from '../enrolment.ts'
import { createService } from '../service.ts'
import { systemClock } from '../system-clock.ts'
import { askedToStop } from './stop.ts'

interface EnrollOptions {
  readonly config: string
  readonly stopOnStdinEnd: boolean
}

/** `biotrakr-cloud enroll`: until told to stop. */
export async function runEnroll({ config: file, stopOnStdinEnd }: EnrollOptions): Promise<void> {
  const config = readConfig(file)
  const log = pino({ name: 'biotrakr-enroll', level: config.log.level })
  const enrolment = await startEnrolment({
    ...enrollSection(file),
    database: databaseAccess(config, 'biotrakr-enroll'),
    clock: systemClock,
    log,
  })
  const service = createService({ clock: systemClock, log, pulses: [], env: process.env, pid: process.pid })
  service.started()
  await askedToStop(stopOnStdinEnd)
  service.stopping()
  await enrolment.stop()
}

/** @throws BioTrakrError CONFIG_INVALID where the file has no such section */
export function enrollSection(file: string): NonNullable<CloudConfig['enroll']> {
  const { enroll } = readConfig(file)
  if (enroll) return enroll
  throw new BioTrakrError(`${file} does not say where the certificate authority is`, {
    code: 'CONFIG_INVALID',
    next: 'Add a section `enroll` with `authorityFolder`, `certFile`, `keyFile`, `revocationListFile` and `brokerUrl`.',
  })
}
