import type { Stats } from 'node:fs'
import { stat } from 'node:fs/promises'

import type { Clock } from '@biotrakr/shared'
import { SerialPort } from 'serialport'

import { type LineSettings, MAX_QUEUED_BYTES, type OpenPort, type Port, type PortEvents } from './reader-port.ts'
import { explainOpenFault } from './serial-faults.ts'

interface SerialOptions {
  readonly path: string
  readonly clock: Clock
}

const LOOK_MS = 1_000
/** udev may take a name away for a moment and set it anew. */
const MISSES = 2
/** Closing waits in the kernel for bytes that a stopped line does not take (closing_wait, 30 s on most drivers). */
const CLOSE_MS = 1_000
const LAST_BYTES_MS = 300

/**
 * A serial device of this machine. The line ends when the device does, and also when its name has come to mean another
 * device: not every driver reports an unplugged device.
 */
export function openSerialPort({ path, clock }: SerialOptions): OpenPort {
  return async (line, events, signal) => {
    const serial = new SerialPort({
      path,
      baudRate: line.baud,
      dataBits: line.dataBits,
      parity: line.parity,
      stopBits: line.stopBits,
      rtscts: line.flow === 'rtscts',
      autoOpen: false,
    })
    try {
      await new Promise<void>((resolve, reject) => serial.open((error) => (error ? reject(error) : resolve())))
    } catch (cause) {
      throw await explainOpenFault(path, cause)
    }
    const device = await stat(path).catch(() => undefined)
    const port = createPort(serial, { path, clock, events, device })
    await setLines(serial, line, events)
    if (signal.aborted) await port.close()
    return port
  }
}

/** Pseudo-terminals and some adapters have no control lines; the reader may work all the same. */
async function setLines(serial: SerialPort, { dtr, rts, flow }: LineSettings, events: PortEvents): Promise<void> {
  const lines = { ...(dtr !== undefined && { dtr }), ...(rts !== undefined && flow === 'none' && { rts }) }
  if (Object.keys(lines).length === 0) return
  await new Promise<void>((resolve) =>
    serial.set(lines, (error) => {
      if (error) events.warning(`DTR and RTS cannot be set: ${error.message}`)
      resolve()
    }),
  )
}

function createPort(
  serial: SerialPort,
  { events, clock, ...named }: NamedDevice & { readonly events: PortEvents },
): Port {
  let isOver = false
  let unwritten = 0
  let onWritten = () => {}
  const watch = watchName({ clock, ...named }, () => end('the device went away'))

  function end(why: string): void {
    if (isOver) return
    void release()
    events.closed(why)
  }

  async function release(): Promise<void> {
    isOver = true
    watch.cancel()
    // What is being written when the handle is closed could end up nowhere.
    if (serial.isOpen && unwritten > 0) await within(LAST_BYTES_MS, (done) => (onWritten = done))
    if (serial.isOpen) await within(CLOSE_MS, (done) => serial.close(done))
  }

  /** Waits until `begin` calls back, or for this time. */
  function within(ms: number, begin: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const timer = clock.after(ms, resolve)
      begin(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  serial.on('data', (bytes: Buffer) => {
    if (!isOver) events.bytes(bytes)
  })
  serial.on('close', () => end('the device went away'))
  serial.on('error', (error) => end(error.message))

  return {
    write(bytes) {
      if (isOver || !serial.isOpen || serial.writableLength + bytes.length > MAX_QUEUED_BYTES) return false
      unwritten += 1
      serial.write(bytes, () => {
        unwritten -= 1
        if (unwritten === 0) onWritten()
      })
      return true
    },
    setBaud: (baud) =>
      new Promise((resolve, reject) =>
        serial.update({ baudRate: baud }, (error) => (error ? reject(error) : resolve())),
      ),
    close: release,
  }
}

interface NamedDevice extends SerialOptions {
  /** What the name led to when it was opened. */
  readonly device: Stats | undefined
}

/** Looks once a second whether the name still leads to the same device. */
function watchName({ path, clock, device }: NamedDevice, gone: () => void): { cancel(): void } {
  let misses = 0
  async function look(): Promise<void> {
    const now = await stat(path).catch(() => undefined)
    const isSame = now !== undefined && now.ino === device?.ino && now.rdev === device.rdev
    misses = isSame ? 0 : misses + 1
    if (misses === MISSES) gone()
  }
  return clock.every(LOOK_MS, () => void look())
}
