import { BioTrakrError } from '@biotrakr/shared'

import { holderOf } from './serial-holder.ts'

/** What the system says (it reaches us as text alone, serialport 13) and what it means for the person who reads it. */
const FAULTS = [
  {
    says: /permission denied/i,
    code: 'PORT_DENIED',
    means: 'may not be opened by this user',
    next: 'Put the user into the group that `ls -lL` shows for the device (dialout on most systems), or add a udev rule such as SUBSYSTEM=="tty", ATTRS{idVendor}=="0403", GROUP="dialout".',
  },
  {
    says: /cannot lock port|resource busy/i,
    code: 'PORT_LOCKED',
    means: 'is held by another process',
    next: 'Stop the other process, or give the reader to one of the two only.',
  },
  {
    says: /no such (?:file|device)|not a directory/i,
    code: 'PORT_MISSING',
    means: 'is not there',
    next: 'Plug the reader in, or correct the address: `ls -l /dev/serial/by-id` lists what is there.',
  },
  {
    says: /inappropriate ioctl|is a directory/i,
    code: 'PORT_FAILED',
    means: 'is no serial device',
    next: 'Correct the address: `ls -l /dev/serial/by-id` lists what is there.',
  },
] as const

/** Puts a failure to open a serial device into words; looks up who holds it where that is the reason. */
export async function explainOpenFault(path: string, cause: unknown): Promise<BioTrakrError> {
  const text = cause instanceof Error ? cause.message : String(cause)
  const fault = FAULTS.find(({ says }) => says.test(text))
  if (fault === undefined) {
    const next = 'Check the cable and the line settings of the profile; unplug the reader and plug it in again.'
    return new BioTrakrError(`${path} cannot be opened`, { code: 'PORT_FAILED', next, cause })
  }
  const holder = fault.code === 'PORT_LOCKED' ? await holderOf(path) : undefined
  const means = holder === undefined ? fault.means : `is held by ${holder}`
  return new BioTrakrError(`${path} ${means}`, { code: fault.code, next: fault.next, cause })
}
