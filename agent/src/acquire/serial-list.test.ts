import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { listSerialDevices } from './serial-list.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'biotrakr-dev-'))
  mkdirSync(join(root, 'dev'))
})
afterEach(() => rmSync(root, { recursive: true }))

const list = () => listSerialDevices({ dev: join(root, 'dev'), sys: join(root, 'sys') })

describe('the serial devices of a machine', () => {
  it('are none where none is plugged in', () => {
    expect(list()).toEqual([])
  })

  it('are named by what stays of them, with what their adapter says of itself', () => {
    const usb = join(root, 'sys/devices/usb1/1-2')
    mkdirSync(join(usb, '1-2:1.0/ttyUSB0'), { recursive: true })
    for (const [file, text] of [
      ['idVendor', '0403\n'],
      ['idProduct', '6001\n'],
      ['manufacturer', 'FTDI\u001b[2J\n'],
    ] as const) {
      writeFileSync(join(usb, file), text)
    }
    mkdirSync(join(root, 'sys/class/tty/ttyUSB0'), { recursive: true })
    symlinkSync(join(usb, '1-2:1.0/ttyUSB0'), join(root, 'sys/class/tty/ttyUSB0/device'))
    mkdirSync(join(root, 'dev/serial/by-id'), { recursive: true })
    for (const name of ['ttyUSB0', 'ttyACM3', 'ttyS0', 'tty1']) writeFileSync(join(root, 'dev', name), '')
    symlinkSync('../../ttyUSB0', join(root, 'dev/serial/by-id/usb-FTDI-if00'))
    symlinkSync('../../ttyUSB9', join(root, 'dev/serial/by-id/usb-gone'))
    expect(list()).toEqual([
      { address: `serial:${root}/dev/ttyACM3`, path: `${root}/dev/ttyACM3`, isStable: false },
      {
        address: `serial:${root}/dev/serial/by-id/usb-FTDI-if00`,
        path: `${root}/dev/ttyUSB0`,
        isStable: true,
        vendorId: '0403',
        productId: '6001',
        vendor: 'FTDI[2J',
      },
    ])
  })
})
