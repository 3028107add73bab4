import type { Decoded, Driver, ReceivedCommand } from './driver.ts'
import { bytesOfHex } from './hex.ts'
import { joinPath, type Problem } from './problem.ts'
import type { GoldenSpec, RejectSpec } from './profile.ts'

/** Runs a profile's own golden and reject frames. */
export function frameProblems(driver: Driver): Problem[] {
  const { golden, reject } = driver.document
  return [
    ...golden.flatMap((spec, n) => goldenProblems(driver, spec, `golden[${n}]`)),
    ...reject.flatMap((spec, n) => rejectProblems(driver, spec, `reject[${n}]`)),
  ]
}

function goldenProblems(driver: Driver, spec: GoldenSpec, path: string): Problem[] {
  const bytes = bytesOfHex(spec.hex) ?? new Uint8Array(0)
  if (spec.direction === 'command') {
    const received = driver.reader.decodeCommand(bytes)
    if (received === undefined) return [{ path, message: 'is no frame of the host by this profile' }]
    return commandProblems(driver, { spec, received, bytes, path })
  }
  const decoded = driver.decode(bytes)
  if (decoded.verdict === 'garbage') return [{ path, message: `is refused: ${decoded.why ?? 'no reason'}` }]
  return replyProblems(spec, decoded, path)
}

interface CommandCase {
  readonly spec: GoldenSpec
  readonly received: ReceivedCommand
  readonly bytes: Uint8Array
  readonly path: string
}

function commandProblems(driver: Driver, { spec, received, bytes, path }: CommandCase): Problem[] {
  const problems = [...differs(`${path}.command`, received.command, spec.command)]
  if (spec.fields !== undefined) problems.push(...subset(`${path}.fields`, received.params, spec.fields))
  if (received.command === null || driver.document.commands[received.command]?.preamble !== undefined) return problems
  const again = driver.encode(received.command, received.params, { layout: received.layout })
  const same = again.length === bytes.length && again.every((byte, at) => byte === bytes[at])
  return same ? problems : [...problems, { path, message: 'is written differently by this profile' }]
}

function replyProblems(spec: GoldenSpec, decoded: Decoded, path: string): Problem[] {
  return [
    ...differs(`${path}.verdict`, decoded.verdict, spec.verdict),
    ...differs(`${path}.message`, decoded.message, spec.message),
    ...(spec.tags === undefined ? [] : subset(`${path}.tags`, decoded.tags, spec.tags)),
    ...(spec.fields === undefined ? [] : subset(`${path}.fields`, decoded.fields, spec.fields)),
  ]
}

function differs(path: string, found: unknown, wanted: unknown): Problem[] {
  if (wanted === undefined || found === wanted) return []
  return [{ path, message: `is ${JSON.stringify(found) ?? 'absent'}, not ${JSON.stringify(wanted)}` }]
}

/** Every member that is wanted must be there and equal; lists must be equally long. */
function subset(path: string, found: unknown, wanted: unknown): Problem[] {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(found)) return differs(path, found, wanted)
    if (found.length !== wanted.length) return differs(`${path}.length`, found.length, wanted.length)
    return wanted.flatMap((value, n) => subset(`${path}[${n}]`, found[n], value))
  }
  if (typeof wanted !== 'object' || wanted === null) return differs(path, found, wanted)
  if (typeof found !== 'object' || found === null) return differs(path, found, wanted)
  return Object.entries(wanted).flatMap(([name, value]) =>
    subset(joinPath(path, name), (found as Readonly<Record<string, unknown>>)[name], value),
  )
}

function rejectProblems(driver: Driver, { hex, direction }: RejectSpec, path: string): Problem[] {
  const bytes = bytesOfHex(hex) ?? new Uint8Array(0)
  if (direction === 'command') {
    const command = driver.reader.decodeCommand(bytes)?.command ?? null
    return command === null ? [] : [{ path, message: `is accepted as ${command}` }]
  }
  const { verdict } = driver.decode(bytes)
  return verdict === 'garbage' ? [] : [{ path, message: `is accepted as ${verdict}` }]
}
