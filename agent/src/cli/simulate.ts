import { BioTrakrError } from '@biotrakr/shared'
import { type Command, InvalidArgumentError } from 'commander'

import { openProfiles } from '../profile-store.ts'
import { systemClock } from '../system-clock.ts'
import { createLineDevice, createLlrpDevice, type Device } from './simulate-device.ts'
import { exampleTags, readTags } from './simulate-tags.ts'
import { listenTcp, openPty, type Wire } from './simulate-wire.ts'

interface ReaderOptions {
  readonly profile: string
  readonly pty?: string
  readonly listen?: { readonly host: string; readonly port: number }
  readonly tags?: string
  readonly rate: number
  readonly noise: number
}

/** `biotrakr simulate`: hardware for those who have none. */
export function addSimulateCommand(biotrakr: Command): void {
  biotrakr
    .command('simulate')
    .description('play a part that is not there')
    .command('reader')
    .description('a reader that any host software of its protocol accepts; runs until Ctrl-C or SIGTERM')
    .requiredOption('--profile <id|file>', 'the reader to be')
    .option('--pty <link>', 'be a serial device: the link to make, such as /tmp/reader (needs socat)')
    .option('--listen <address>', 'be a serial device server, such as tcp://127.0.0.1:4001 (port 0: any)', tcpAddress)
    .option('--tags <file>', 'tags in the field, one a line: hex, or {"epc":…,"antenna":…,"rssiDbm":…}')
    .option('--rate <n>', 'tag reads per second, 0 to 2000', within(0, 2_000), 10)
    .option('--noise <p>', 'chance of noise bytes in front of a frame, 0 to 1', within(0, 1), 0)
    .action(simulateReader)
}

function within(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text)
    if (!(value >= least && value <= most)) throw new InvalidArgumentError(`must be ${least} to ${most}`)
    return value
  }
}

function tcpAddress(text: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^tcp:\/\/(?:\[([0-9a-f:]+)\]|([^:/[\]]+)):(\d{1,5})$/i.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (host === undefined || port > 65_535) throw new InvalidArgumentError('must be like tcp://127.0.0.1:4001')
  return { host, port }
}

async function simulateReader(options: ReaderOptions): Promise<void> {
  const { pty, listen } = options
  if ((pty === undefined) === (listen === undefined)) {
    throw new BioTrakrError('a reader is reached in one way', { code: 'USAGE', next: 'Give --pty or --listen.' })
  }
  const { name, device } = createDevice(options)
  const wire = listen ? await listenTcp(device, listen, systemClock) : await openPty(device, pty ?? '', systemClock)
  process.stdout.write(`simulated reader ${name} at ${wire.address}\n`)
  await askedOrEnded(wire)
  await wire.stop()
}

function createDevice({ profile, tags, rate, noise }: ReaderOptions): { name: string; device: Device } {
  const store = openProfiles(profile)
  const given = tags === undefined ? undefined : readTags(tags)
  const options = { readsPerSecond: rate, noise, clock: systemClock, random: Math.random }
  if (store.isBuiltIn(store.id)) {
    const inField = given ?? exampleTags()
    return { name: store.id, device: createLlrpDevice({ ...options, tags: () => inField }) }
  }
  const driver = store.load(store.id)
  const inField = given ?? exampleTags(driver)
  return { name: store.id, device: createLineDevice(driver, { ...options, tags: () => inField }) }
}

function askedOrEnded(wire: Wire): Promise<void> {
  return new Promise((resolve) => {
    const asked = () => {
      process.off('SIGTERM', asked).off('SIGINT', asked)
      resolve()
    }
    process.on('SIGTERM', asked).on('SIGINT', asked)
    void wire.ended.then(asked)
  })
}
