import { spawn } from 'node:child_process'
import { chmodSync, realpathSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { type LineSettings, MAX_QUEUED_BYTES, type Port } from './reader-port.ts'
import { type Cable, ended, overPty, plugIn, realClock, scratchFolder, until } from './serial-fixtures.ts'
import { openSerialPort } from './serial-port.ts'

const LINE: LineSettings = { baud: 115_200, dataBits: 8, parity: 'none', stopBits: 1, flow: 'none' }

const itOverPty = overPty(it)
let folder = ''
const cables: Cable[] = []
const ports: Port[] = []

beforeEach(() => {
  folder = scratchFolder()
})
afterEach(async () => {
  for (const port of ports.splice(0)) await port.close()
  for (const cable of cables.splice(0)) await cable.unplug()
  rmSync(folder, { recursive: true, force: true })
})

async function plug(name?: string): Promise<Cable> {
  const cable = await plugIn(folder, name)
  cables.push(cable)
  return cable
}

async function open(path: string, line: Partial<LineSettings> = {}) {
  const heard: number[] = []
  const ends: string[] = []
  const warnings: string[] = []
  const port = await openSerialPort({ path, clock: realClock })(
    { ...LINE, ...line },
    {
      bytes: (bytes) => void heard.push(...bytes),
      closed: (why) => void ends.push(why),
      warning: (text) => void warnings.push(text),
    },
    new AbortController().signal,
  )
  ports.push(port)
  return { port, heard, ends, warnings }
}

const refusal = (path: string) =>
  open(path).then(
    () => undefined,
    (error: unknown) => error,
  )

describe('a serial line', () => {
  itOverPty('carries bytes both ways and takes another rate', async () => {
    const cable = await plug()
    const host = await open(cable.host)
    const reader = await open(cable.reader)
    expect(host.port.write(Uint8Array.of(1, 2, 3))).toBe(true)
    await until(() => reader.heard.length === 3)
    await host.port.setBaud(921_600)
    reader.port.write(Uint8Array.of(4, 5))
    await until(() => host.heard.length === 2)
    expect([reader.heard, host.heard]).toEqual([
      [1, 2, 3],
      [4, 5],
    ])
  })

  itOverPty('without control lines works all the same, with a warning', async () => {
    const { port, warnings } = await open((await plug()).host, { dtr: false, rts: false })
    expect(warnings).toEqual([expect.stringContaining('DTR and RTS cannot be set')])
    expect(port.write(Uint8Array.of(1))).toBe(true)
  })

  itOverPty('tells once that the device went away, and takes nothing more', async () => {
    const cable = await plug()
    const { port, ends } = await open(cable.host)
    await cable.unplug()
    await until(() => ends.length > 0)
    expect([ends, port.write(Uint8Array.of(1))]).toEqual([['the device went away'], false])
    await port.close()
  })

  itOverPty('ends when its name comes to mean another device', async () => {
    const first = await plug('first')
    const second = await plug('second')
    const name = join(folder, 'by-id')
    symlinkSync(realpathSync(first.host), name)
    const { ends } = await open(name)
    symlinkSync(realpathSync(second.host), `${name}.new`)
    renameSync(`${name}.new`, name)
    await until(() => ends.length > 0)
    expect(ends).toEqual(['the device went away'])
  })

  itOverPty('that takes no bytes refuses more than its bound', async () => {
    const { port } = await open((await plug()).host)
    const chunk = new Uint8Array(1_024)
    let taken = 0
    while (taken < 10_000 && port.write(chunk)) taken += 1
    expect(taken).toBe(MAX_QUEUED_BYTES / chunk.length)
  })

  itOverPty('says nothing after it was closed', async () => {
    const cable = await plug()
    const { port, ends } = await open(cable.host)
    await port.close()
    await cable.unplug()
    expect([ends, port.write(Uint8Array.of(1))]).toEqual([[], false])
  })
})

describe('a serial line that cannot be opened', () => {
  it('because nothing is there says so', async () => {
    expect(await refusal(join(folder, 'none'))).toMatchObject({
      code: 'PORT_MISSING',
      message: expect.stringContaining('is not there'),
      next: expect.stringContaining('/dev/serial/by-id'),
    })
  })

  it('because it is something else says so', async () => {
    for (const path of ['/dev/null', folder]) {
      expect(await refusal(path)).toMatchObject({ code: 'PORT_FAILED', message: `${path} is no serial device` })
    }
  })

  itOverPty('because another process holds it says which', async () => {
    const cable = await plug()
    const program = `new (require('serialport').SerialPort)({ path: '${cable.host}', baudRate: 9600 }).resume()`
    const holder = spawn(process.execPath, ['-e', program], { cwd: import.meta.dirname, stdio: 'ignore' })
    try {
      let error: unknown
      await until(async () => {
        error = await refusal(cable.host)
        for (const port of ports.splice(0)) await port.close()
        return error
      })
      expect(error).toMatchObject({
        code: 'PORT_LOCKED',
        message: expect.stringMatching(new RegExp(`is held by .+ \\(process ${holder.pid}\\)$`)),
      })
    } finally {
      await ended(holder)
    }
  })

  itOverPty('because this user may not says which group and rule to look at', async () => {
    const cable = await plug()
    chmodSync(folder, 0o755)
    chmodSync(realpathSync(cable.host), 0o000)
    const user = process.geteuid?.()
    try {
      // Nothing is forbidden to root.
      if (user === 0) process.seteuid?.(65_534)
      expect(await refusal(cable.host)).toMatchObject({ code: 'PORT_DENIED', next: expect.stringContaining('dialout') })
    } finally {
      if (user === 0) process.seteuid?.(0)
    }
  })
})
