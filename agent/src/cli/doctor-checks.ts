import { accessSync, constants, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { BioTrakrError, explainError } from '@biotrakr/shared'

import type { AgentConfig } from '../config.ts'
import type { BluetoothKernel } from '../sources.ts'

/** One thing that was looked at. */
export interface Finding {
  readonly check: string
  readonly state: 'ok' | 'warn' | 'fail'
  /** What it means for this gateway. */
  readonly meaning: string
  /** What to do about it: a command, or a step. */
  readonly mend?: string
}

/** What the checks look at. */
export interface Patient {
  /** As in `process.versions.node`. */
  readonly nodeVersion: string
  /** The configuration, where one was named and could be read. */
  readonly config?: AgentConfig
  readonly kernel: BluetoothKernel
  /** Where the kernel shows its switches: `/sys/class/rfkill`. */
  readonly rfkillDir: string
  /** Wall milliseconds by this machine. */
  readonly nowMs: number
  /** Whether the agent of this configuration runs just now, and so holds its adapters, readers, port and connection. */
  readonly isAgentRunning: boolean
}

/** Looks at one matter; never throws. */
export type Check = (patient: Patient) => readonly Finding[] | Promise<readonly Finding[]>

const OLDEST_NODE = [20, 19] as const
/** Oldest line of Node that still gets security fixes (github.com/nodejs/release). */
const MAINTAINED_NODE = 22

export const checkNode: Check = ({ nodeVersion }) => {
  const check = 'Node'
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number)
  const mend = 'Install Node 24.'
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    return [
      { check, state: 'fail', meaning: `Node ${nodeVersion} is older than 20.19: the agent does not run on it`, mend },
    ]
  }
  if (major < MAINTAINED_NODE) {
    return [{ check, state: 'warn', meaning: `Node ${nodeVersion} runs the agent, but gets no security fixes`, mend }]
  }
  return [{ check, state: 'ok', meaning: `Node ${nodeVersion}` }]
}

/** Whether the kernel's adapters are asked for, and how badly. */
interface Wish {
  readonly adapters: readonly Adapter[]
  readonly userChannel: boolean
  /** What it means when there is no Bluetooth. */
  readonly otherwise: 'warn' | 'fail'
}

type Adapter = Extract<AgentConfig['sources'][number], { kind: 'ble' }>['adapters'][number]

function configuredAdapters({ config }: Patient): readonly Adapter[] {
  return config?.sources.flatMap((source) => (source.kind === 'ble' ? source.adapters : [])) ?? []
}

/** @returns undefined when the configuration names no adapter of the kernel */
function wishOf(patient: Patient): Wish | undefined {
  const adapters = configuredAdapters(patient).filter(({ port }) => port === undefined)
  if (patient.config && adapters.length === 0) return undefined
  const userChannel = adapters.some((adapter) => adapter.userChannel)
  return { adapters, userChannel, otherwise: patient.config ? 'fail' : 'warn' }
}

export const checkAdapters: Check = async (patient) => {
  const wish = wishOf(patient)
  if (!wish) return []
  try {
    const present = await patient.kernel.adapters()
    if (present.length === 0 && wish.adapters.length === 0) {
      const meaning = 'there is no Bluetooth adapter: no BLE tag can be heard'
      return [{ check: 'Bluetooth', state: wish.otherwise, meaning, mend: 'Plug an adapter in.' }]
    }
    const found = present.map(({ index, address, powered }): Finding => {
      const state = powered ? 'switched on' : 'switched off; the agent switches it on'
      return { check: `adapter hci${index}`, state: 'ok', meaning: `${address}, ${state}` }
    })
    const missing = wish.adapters.filter(({ address, index }) =>
      present.every((each) => each.address !== address && each.index !== index),
    )
    return [...found, ...missing.map(({ receiver, address, index }) => absent(receiver, address ?? `hci${index}`))]
  } catch (error) {
    return [{ check: 'Bluetooth', state: wish.otherwise, ...told(error) }]
  }
}

function absent(receiver: string, where: string): Finding {
  return {
    check: `adapter ${where}`,
    state: 'fail',
    meaning: `it is not there: nothing is heard at ${receiver}`,
    mend: 'Plug it in, or correct the configuration; `biotrakr doctor` without --config lists what is there.',
  }
}

/** Serial controllers of the configuration. */
export const checkPorts: Check = (patient) =>
  configuredAdapters(patient).flatMap(({ port, receiver }): readonly Finding[] => {
    if (port === undefined) return []
    const check = `controller ${port}`
    try {
      accessSync(port, constants.R_OK | constants.W_OK)
      return [{ check, state: 'ok', meaning: `for ${receiver}` }]
    } catch (error) {
      const isDenied = (error as NodeJS.ErrnoException).code === 'EACCES'
      const meaning = `${isDenied ? 'this user may not use it' : 'it is not there'}: nothing is heard at ${receiver}`
      const mend = isDenied ? 'Run: usermod -aG dialout <user of the agent>' : 'Plug it in, or correct the port.'
      return [{ check, state: 'fail', meaning, mend }]
    }
  })

export const checkCapabilities: Check = (patient) => {
  const wish = wishOf(patient)
  if (!wish) return []
  const missing = patient.kernel.missingCapability(wish.userChannel)
  const check = 'capabilities'
  if (missing === undefined) return [{ check, state: 'ok', meaning: 'this user may use Bluetooth adapters' }]
  const meaning = `this user may not use Bluetooth adapters: ${missing} is missing`
  const mend = `Run as the systemd unit does, with AmbientCapabilities=${missing}, or: sudo setcap ${missing.toLowerCase()}+eip ${process.execPath}`
  return [{ check, state: wish.otherwise, meaning, mend }]
}

/** Switches that keep a radio from sending and hearing (Linux, Documentation/ABI/stable/sysfs-class-rfkill). */
export const checkSwitches: Check = (patient) => {
  if (!wishOf(patient)) return []
  const { rfkillDir } = patient
  const switches = namesIn(rfkillDir).filter((name) => sysText(join(rfkillDir, name, 'type')) === 'bluetooth')
  return switches.map((name): Finding => {
    const check = `switch of ${sysText(join(rfkillDir, name, 'name')) || name}`
    if (sysText(join(rfkillDir, name, 'hard')) === '1') {
      const mend = 'Move the switch on the machine, or allow the radio in its firmware setup.'
      return { check, state: 'fail', meaning: 'a hardware switch blocks it', mend }
    }
    if (sysText(join(rfkillDir, name, 'soft')) === '1') {
      return { check, state: 'fail', meaning: 'it is blocked', mend: 'Run: rfkill unblock bluetooth' }
    }
    return { check, state: 'ok', meaning: 'it is not blocked' }
  })
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}

function sysText(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return ''
  }
}

/** An error as a finding's words. */
export function told(error: unknown): Pick<Finding, 'meaning' | 'mend'> {
  if (!(error instanceof BioTrakrError)) return { meaning: explainError(error) }
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
  return { meaning: `${error.message}${cause} [${error.code}]`, mend: error.next }
}
