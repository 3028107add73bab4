import type { ReaderIdentity } from './reader-facts.ts'
import type { SessionStatus } from './reader-session-types.ts'

/** What the reader calls itself, in one line; empty when it says nothing of itself. */
export function identityWords({ vendor, model, hardware, firmware, serialNo }: ReaderIdentity): string {
  const parts = [
    [vendor, model].filter(Boolean).join(' '),
    hardware && `hardware ${hardware}`,
    firmware && `firmware ${firmware}`,
    serialNo && `serial no ${serialNo}`,
  ]
  return parts.filter(Boolean).join(', ')
}

/** Fewer may be a frame that is still coming. */
const NOISE_BYTES = 512

interface WordsInput {
  readonly profileName: string
  readonly address: string
  readonly readings: number
  /** What keeps it from running, as long as it does. */
  readonly problem: string | undefined
  readonly session: SessionStatus
}

/** One plain line for a person: what the reader does, or why it does not. */
export function readerWords({ profileName, address, readings, problem, session }: WordsInput): string {
  const who = identityWords(session.identity) || profileName
  const { phase, alarm, baud, noiseBytes, measured, antennaTroubles } = session
  if (phase === 'held') {
    return `${who} at ${address} answers, but is not started: no region is set, and without one nothing may be transmitted`
  }
  if (phase !== 'running') return problem ?? PROGRESS[phase](address, baud)
  const temperature = measured['temperatureC'] === undefined ? '' : `, ${measured['temperatureC']} °C`
  const complaint = alarm === undefined ? '' : `; it reports: ${alarm.text}${alarm.action ? ` (${alarm.action})` : ''}`
  const antennas = antennaTroubles.map(({ antenna, text }) => `; antenna ${antenna} does not work: ${text}`).join('')
  const noise = noiseBytes >= NOISE_BYTES ? `; ${noiseBytes} bytes since the last frame are noise` : ''
  return `${who} at ${address}, ${readings} readings${temperature}${complaint}${antennas}${noise}`
}

const PROGRESS: Readonly<
  Record<Exclude<SessionStatus['phase'], 'held' | 'running'>, (address: string, baud: number) => string>
> = {
  closed: (address) => `${address} is being opened`,
  opening: (address) => `${address} is open`,
  probing: (address, baud) => `asking for a reader at ${address}, ${baud} baud`,
  setup: (address) => `setting up the reader at ${address}`,
  stopping: (address) => `switching off the reader at ${address}`,
}
