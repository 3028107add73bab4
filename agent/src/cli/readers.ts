import { BioTrakrError, type Clock, explainError, type ReceiverId } from '@biotrakr/shared'
import { type Command, InvalidArgumentError } from 'commander'
import { pino } from 'pino'

import { openProfiles, type ProfileStore } from '../profile-store.ts'
import { listSerialDevices, openReader, type SerialDevice } from '../sources.ts'
import { systemClock } from '../system-clock.ts'

interface ReadersOptions {
  readonly probe: boolean
  readonly json: boolean
  readonly port: readonly string[]
  readonly profile: readonly string[]
  readonly seconds: number
}

/** What is known of one port. */
interface PortReport extends Partial<Omit<SerialDevice, 'address'>> {
  readonly address: string
  /** Profiles whose reader has these USB ids. */
  readonly likely: readonly string[]
  /** Undefined: not asked. Null: asked, and none answered. */
  readonly reader?: FoundReader | null
  /** Why it could not be asked. */
  readonly problem?: string
}

/** What a reader said of itself; what its protocol does not say is missing. */
interface FoundReader {
  readonly profile: string
  readonly vendor?: string
  readonly model?: string
  readonly hardware?: string
  readonly firmware?: string
  readonly serialNo?: string
  readonly baud?: number
}

/** `biotrakr readers`: which reader is on which port. */
export function addReadersCommand(biotrakr: Command): void {
  biotrakr
    .command('readers')
    .description(
      'serial devices of this machine; with --probe, which reader is there. A reader is asked what it is and, where it transmits by itself, told to stop; no radio is switched on. Ports that the agent holds are in use: stop it first.',
    )
    .option('--probe', 'ask for readers, profile by profile', false)
    .option('--port <address...>', 'these instead, such as serial:/dev/serial/by-id/... or tcp://10.0.0.7:4001', [])
    .option('--profile <id...>', 'ask for these only: ids or files', [])
    .option('--seconds <n>', 'how long a reader of each profile may take to answer', seconds, 6)
    .option('--json', 'one JSON array', false)
    .action(listReaders)
}

function seconds(text: string): number {
  const value = Number(text)
  if (!(value >= 0.1 && value <= 120)) throw new InvalidArgumentError('must be 0.1 to 120 seconds')
  return value
}

async function listReaders({ probe, json, port, profile, seconds: each }: ReadersOptions): Promise<void> {
  const store = openProfiles()
  const devices = port.length > 0 ? port.map((address) => ({ address })) : listSerialDevices()
  const reports: PortReport[] = []
  for (const device of devices) {
    const likely = likelyProfiles(store, device)
    const profiles = profile.length > 0 ? profile : candidates(store, device.address, likely)
    const found = probe ? await probePort(device.address, { profiles, withinMs: each * 1_000, clock: systemClock }) : {}
    const report = { ...device, likely, ...found }
    reports.push(report)
    if (!json) process.stdout.write(`${portLine(report)}\n`)
  }
  if (json) process.stdout.write(`${JSON.stringify(reports)}\n`)
  else if (devices.length === 0) process.stdout.write('no serial device is plugged in\n')
}

function likelyProfiles(store: ProfileStore, { vendorId, productId }: Partial<SerialDevice>): string[] {
  if (vendorId === undefined) return []
  return store.ids.filter((id) => {
    if (store.isBuiltIn(id)) return false
    const ids = store.load(id).document.match?.usb ?? []
    return ids.some((one) => one.vendorId === vendorId && (one.productId ?? productId) === productId)
  })
}

const LLRP_ADDRESS = /^tcp:\/\/(?:[^:/[\]]+|\[[^\]]+\])(?::5084)?\/?$/

/** Those that can be asked what they are, the likely ones first; LLRP where its port is. */
function candidates(store: ProfileStore, address: string, likely: readonly string[]): string[] {
  const asked = store.ids.filter((id) =>
    store.isBuiltIn(id) ? LLRP_ADDRESS.test(address) : store.load(id).lifecycle.identify.length > 0,
  )
  return [...likely.filter((id) => asked.includes(id)), ...asked.filter((id) => !likely.includes(id))]
}

interface ProbeOptions {
  /** Asked for in this order, until one answers. */
  readonly profiles: readonly string[]
  readonly withinMs: number
  readonly clock: Clock
}

/** Asks at one port; the port itself being out of reach ends it. */
export async function probePort(
  address: string,
  { profiles, withinMs, clock }: ProbeOptions,
): Promise<Pick<PortReport, 'reader' | 'problem'>> {
  for (const profile of profiles) {
    try {
      const found = await probeProfile(address, profile, { withinMs, clock })
      if (found !== undefined) return found
    } catch (error) {
      if (!(error instanceof BioTrakrError)) throw error
      // A profile without a network port of its own, or that wants to know more, cannot be asked here.
      if (profiles.length === 1) return { problem: explainError(error) }
    }
  }
  return { reader: null }
}

const LOOK_MS = 20

async function probeProfile(
  address: string,
  profile: string,
  { withinMs, clock }: Pick<ProbeOptions, 'withinMs' | 'clock'>,
): Promise<Pick<PortReport, 'reader' | 'problem'> | undefined> {
  const source = openReader(
    {
      kind: 'reader',
      name: 'probe',
      address,
      allowUnstablePath: true,
      profile,
      antennas: { 1: 'probe' as ReceiverId },
    },
    { clock, allow: new Set(), random: Math.random, log: pino({ enabled: false }) },
  )
  await source.start(() => undefined)
  const endMs = clock.monoMs() + withinMs
  const isOver = () => source.status().state !== 'starting' || clock.monoMs() >= endMs
  while (!isOver()) await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve))
  const status = source.status()
  await source.stop()
  if (status.phase === 'held' || status.phase === 'running') {
    return {
      reader: { profile: status.profile.id, ...status.identity, ...('baud' in status && { baud: status.baud }) },
    }
  }
  return status.problem?.startsWith('PORT_') ? { problem: status.detail } : undefined
}

function portLine({
  address,
  path,
  vendorId,
  productId,
  vendor,
  product,
  likely,
  reader,
  problem,
}: PortReport): string {
  const usb = vendorId === undefined ? '' : [`USB ${vendorId}:${productId}`, vendor, product].filter(Boolean).join(' ')
  const place = path === undefined || address.endsWith(path) ? address : `${address} (${path})`
  return [place, usb, problem ?? readerPart(reader, likely)].filter(Boolean).join('  ')
}

function readerPart(reader: FoundReader | null | undefined, likely: readonly string[]): string {
  if (reader === null) return 'no reader answers'
  if (reader === undefined) return likely.length === 0 ? '' : `likely ${likely.join(' or ')}`
  const { profile, vendor, model, hardware, firmware, serialNo } = reader
  const said = [
    vendor,
    model,
    hardware && `hardware ${hardware}`,
    firmware && `firmware ${firmware}`,
    serialNo && `serial no ${serialNo}`,
  ]
  return [`profile ${profile}:`, said.filter(Boolean).join(', ') || 'answers, but does not say what it is'].join(' ')
}
