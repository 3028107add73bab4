import { describe, expect, it } from 'vitest'

import { parsePortAddress } from './port-address.ts'

function refusal(text: string, options = {}): { code: string; message: string; next: string } {
  try {
    parsePortAddress(text, options)
  } catch (error) {
    return error as { code: string; message: string; next: string }
  }
  throw new Error(`${text} was taken`)
}

describe('the address of a reader', () => {
  it('is a serial device by a name that stays, or a host and port', () => {
    const path = '/dev/serial/by-id/usb-FTDI_FT232R_A50285BI-if00-port0'
    expect(parsePortAddress(`serial:${path}`)).toEqual({ kind: 'serial', path })
    expect(parsePortAddress('serial:/dev/ttyS0')).toEqual({ kind: 'serial', path: '/dev/ttyS0' })
    expect(parsePortAddress('tcp://10.0.0.7:4001')).toEqual({ kind: 'tcp', host: '10.0.0.7', port: 4001 })
    expect(parsePortAddress('tcp://[fe80::1]:4001/')).toEqual({ kind: 'tcp', host: 'fe80::1', port: 4001 })
    expect(parsePortAddress('tcp://reader', { defaultPort: 5084 })).toMatchObject({ host: 'reader', port: 5084 })
  })

  it('that the kernel gives out by order of discovery is refused with the reason, unless it is asked for', () => {
    for (const name of ['ttyUSB0', 'ttyACM12']) {
      expect(refusal(`serial:/dev/${name}`)).toMatchObject({
        code: 'PORT_ADDRESS',
        message: expect.stringContaining('order of discovery'),
        next: expect.stringContaining('/dev/serial/by-id'),
      })
      expect(parsePortAddress(`serial:/dev/${name}`, { allowUnstablePath: true })).toMatchObject({ kind: 'serial' })
    }
  })

  it.each([
    '',
    'ttyUSB0',
    'serial:',
    'serial:ttyUSB0',
    'serial:/dev/../etc/passwd',
    'serial:/dev/a b',
    'tcp://reader',
    'tcp://reader:0',
    'tcp://reader:65536',
    'tcp://user@reader:1',
    'tcp://reader:1/path',
    'http://reader:1',
  ])('%j is refused', (text) => {
    expect(refusal(text).code).toBe('PORT_ADDRESS')
  })
})
