import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

import type { Clock } from '@biotrakr/shared'
import { SerialPort } from 'serialport'

import type { ObedientReader } from './reader-fixtures.ts'

export const realClock: Clock = {
  wallMs: () => Date.now(),
  monoMs: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
  every(periodMs, task) {
    const timer = setInterval(task, periodMs)
    return { cancel: () => clearInterval(timer) }
  },
}

const paths = (process.env['PATH'] ?? '').split(delimiter)
const hasSocat = paths.some((folder) => existsSync(join(folder, 'socat')))
const runs = hasSocat || process.env['BIOTRAKR_REQUIRE_ALL'] === '1'

interface It {
  (name: string, body: () => Promise<void>, timeoutMs: number): void
  readonly skip: (name: string, body: () => Promise<void>, timeoutMs: number) => void
}

/** `it` for tests over a pseudo-terminal: without socat they skip and say so, with BIOTRAKR_REQUIRE_ALL=1 they fail. */
export function overPty(it: It) {
  return (name: string, body: () => Promise<void>): void =>
    runs ? it(name, body, 30_000) : it.skip(`${name} (SKIPPED: socat is not on this machine)`, body, 30_000)
}

export function scratchFolder(): string {
  return mkdtempSync(join(tmpdir(), 'biotrakr-serial-'))
}

/** Waits until it is so; the time is only an end to waiting. */
export async function until(isSo: () => unknown, withinMs = 8_000): Promise<void> {
  const endMs = realClock.monoMs() + withinMs
  while (!(await isSo())) {
    if (realClock.monoMs() > endMs) throw new Error(`not within ${withinMs} ms: ${isSo.toString()}`)
    await new Promise<void>((resolve) => realClock.after(10, resolve))
  }
}

export interface Cable {
  /** The host's end and the reader's end. */
  readonly host: string
  readonly reader: string
  unplug(): Promise<void>
}

/** Two pseudo-terminals, one end for each side. */
export async function plugIn(folder: string, name = 'line'): Promise<Cable> {
  const host = join(folder, `${name}-host`)
  const reader = join(folder, `${name}-reader`)
  const socat = spawn('socat', [`pty,raw,echo=0,link=${host}`, `pty,raw,echo=0,link=${reader}`], { stdio: 'ignore' })
  await until(() => existsSync(host) && existsSync(reader))
  return { host, reader, unplug: () => ended(socat) }
}

export function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}

/** Puts a reader at the end of a line; while its radio is on it reports a tag every 50 ms. */
export function attach(reader: ObedientReader, send: (bytes: Uint8Array) => void) {
  const timer = realClock.every(50, () => {
    if (reader.isRunning) send(reader.tags())
  })
  return {
    hear(bytes: Uint8Array) {
      for (const reply of reader.receive(bytes, realClock.monoMs())) send(reply)
    },
    detach: () => timer.cancel(),
  }
}

/** A reader at its end of a cable. */
export async function attachByCable(reader: ObedientReader, path: string): Promise<{ close(): Promise<void> }> {
  const serial = new SerialPort({ path, baudRate: 115_200, autoOpen: false })
  await new Promise<void>((resolve, reject) => serial.open((error) => (error ? reject(error) : resolve())))
  const end = attach(reader, (bytes) => void serial.write(bytes))
  serial.on('data', (bytes: Buffer) => end.hear(bytes))
  serial.on('error', () => undefined)
  return {
    close() {
      end.detach()
      return new Promise((resolve) => (serial.isOpen ? serial.close(() => resolve()) : resolve()))
    },
  }
}
