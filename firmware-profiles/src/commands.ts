import type { Assembler } from './assemble.ts'
import type { CommandInfo, Params } from './driver.ts'
import { bytesOfText, hexOf, knownHex, textOf } from './hex.ts'
import { parameterError } from './message-write.ts'
import { bytesOfInt, compileReadInt, numberOf, writeInt } from './number.ts'
import type { CommandSpec, IntType, Num, ParameterSpec, PartSpec, ProfileDocument } from './profile.ts'

type ParamPart = Extract<PartSpec, { readonly param: string }>
type Value = Params[string]

const DEFAULT_TIMEOUT_MS = 1_000
const DEFAULT_RETRIES = 2

/** What is to be known of a command before it is sent. */
export function commandInfo(document: ProfileDocument, name: string, spec: CommandSpec): CommandInfo {
  const params = spec.send.flatMap((part) => (typeof part === 'object' && 'param' in part ? [part.param] : []))
  return {
    name,
    radiates: spec.radiates === true,
    needs: [...new Set(params)].filter((param) => document.parameters?.[param]?.default === undefined),
    answered: spec.expect !== undefined,
    timeoutMs: spec.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    retries: spec.retries ?? DEFAULT_RETRIES,
    settleMs: spec.settleMs ?? 0,
    optional: spec.optional === true,
    perAntenna: params.includes('antenna'),
    ...(spec.effect === undefined ? {} : { effect: spec.effect }),
    ...(spec.stored === undefined ? {} : { stored: spec.stored }),
  }
}

/** Writes a command's frame, its preamble in front. Throws PROFILE_PARAMETER. */
export function writeCommand(document: ProfileDocument, options: CommandToWrite): Uint8Array {
  const { name, params, layout, assembler } = options
  const spec = document.commands[name]
  if (spec === undefined) throw parameterError(document, `there is no command ${name}`)
  const payload: number[] = []
  for (const part of spec.send) payload.push(...partBytes(document, part, params))
  const bytes = Uint8Array.from(payload)
  const frame = spec.raw === true ? bytes : assembler.command(bytes, layout)
  if (frame === undefined) throw parameterError(document, `command ${name} does not fit into a frame`)
  return spec.preamble === undefined ? frame : Uint8Array.of(...knownHex(spec.preamble), ...frame)
}

interface CommandToWrite {
  readonly name: string
  readonly params: Params
  readonly layout: number
  readonly assembler: Assembler
}

function partBytes(document: ProfileDocument, part: PartSpec, params: Params): Uint8Array {
  if (typeof part === 'string') return knownHex(part)
  if ('text' in part) return bytesOfText(part.text)
  const rules = document.parameters?.[part.param]
  const value = params[part.param] ?? rules?.default
  if (value === undefined) throw parameterError(document, `parameter ${part.param} is missing`)
  checkBounds(document, part, { rules, value })
  if (part.type === 'ascii') return bytesOfText(String(value))
  if (part.type === 'hex') return knownHex(String(value))
  const numbers = numbersOf(document, part, value)
  const size = bytesOfInt(part.type)
  const bytes = new Uint8Array(numbers.length * size)
  for (const [n, number] of numbers.entries()) {
    const fits = writeInt(bytes, n * size, { type: part.type, endian: part.endian, value: number })
    if (!fits) throw parameterError(document, `parameter ${part.param} cannot be ${String(value)}`)
  }
  return bytes
}

interface Bounded {
  readonly rules: ParameterSpec | undefined
  readonly value: Value
}

function checkBounds(document: ProfileDocument, part: ParamPart, { rules, value }: Bounded): void {
  const power = part.param === 'powerDbm' ? document.limits?.powerDbm : undefined
  const min = rules?.min ?? power?.min ?? -Infinity
  const max = rules?.max ?? power?.max ?? Infinity
  if (typeof value === 'number' && (value < min || value > max)) {
    throw parameterError(document, `parameter ${part.param} is ${value}, outside ${min} to ${max}`)
  }
}

/** The numbers a part writes for a value. */
function numbersOf(document: ProfileDocument, part: ParamPart, value: Value): number[] {
  if (part.map === 'regions') return [regionNumber(document, value)]
  if (part.map !== undefined) return [mappedNumber(document, part, { map: part.map, value })]
  if (typeof value === 'object') return listNumbers(part, value)
  return [Math.round(numberOf(value) * (part.scale ?? 1) + (part.offset ?? 0))]
}

function listNumbers(part: ParamPart, list: readonly number[]): number[] {
  if (part.list === 'count') return [list.length]
  if (part.list === 'mask') return [list.reduce((mask, number) => mask + 2 ** (number - 1), 0)]
  return list.flatMap((number) => Array<number>(part.times ?? 1).fill(number + (part.offset ?? 0)))
}

function regionNumber(document: ProfileDocument, value: Value): number {
  const number = Object.entries(document.limits?.regions ?? {}).find(([name]) => name === value)?.[1]
  if (number === undefined) throw parameterError(document, `it has no region ${String(value)}`)
  return numberOf(number)
}

interface Mapped {
  readonly map: Readonly<Record<string, Num>>
  readonly value: Value
}

function mappedNumber(document: ProfileDocument, { param }: ParamPart, { map, value }: Mapped): number {
  const number = Object.entries(map).find(([name]) => name === String(value))?.[1]
  if (number === undefined) throw parameterError(document, `parameter ${param} cannot be ${String(value)}`)
  return numberOf(number)
}

/** Reads a payload as a command: its parameters, or undefined when it is another command. */
export function readCommand(document: ProfileDocument, spec: CommandSpec, payload: Uint8Array): Params | undefined {
  if (spec.raw === true) return undefined
  const params: Record<string, Value> = {}
  let at = 0
  for (const [n, part] of spec.send.entries()) {
    const taken = typeof part === 'object' && 'param' in part ? undefined : constantBytes(part)
    if (taken !== undefined) {
      if (!standsAt(payload, at, taken)) return undefined
      at += taken.length
      continue
    }
    const rest = payload.length - at - fixedAfter(spec.send.slice(n + 1))
    const found = readPart(document, part as ParamPart, { payload, at, rest, params })
    if (found === undefined) return undefined
    at += found
  }
  return at === payload.length ? params : undefined
}

function constantBytes(part: Exclude<PartSpec, ParamPart>): Uint8Array {
  return typeof part === 'string' ? knownHex(part) : bytesOfText(part.text)
}

function standsAt(payload: Uint8Array, at: number, bytes: Uint8Array): boolean {
  return at + bytes.length <= payload.length && bytes.every((byte, n) => payload[at + n] === byte)
}

/** Bytes of the parts that follow a part of open length. */
function fixedAfter(parts: readonly PartSpec[]): number {
  return parts.reduce((bytes, part) => {
    if (typeof part === 'string' || 'text' in part) return bytes + constantBytes(part).length
    return bytes + (isOpen(part) ? 0 : bytesOfInt(part.type as IntType))
  }, 0)
}

function isOpen(part: ParamPart): boolean {
  return part.type === 'hex' || part.type === 'ascii' || part.list === 'each'
}

interface PartPlace {
  readonly payload: Uint8Array
  readonly at: number
  /** Bytes an open part may take. */
  readonly rest: number
  readonly params: Record<string, Value>
}

/** Bytes taken, or undefined when the part does not fit. */
function readPart(document: ProfileDocument, part: ParamPart, place: PartPlace): number | undefined {
  const { payload, at, rest, params } = place
  if (part.type === 'hex' || part.type === 'ascii') {
    if (rest < 0) return undefined
    params[part.param] = part.type === 'hex' ? hexOf(payload, at, at + rest) : textOf(payload, at, at + rest)
    return rest
  }
  const size = bytesOfInt(part.type)
  const read = compileReadInt(part.type, part.endian)
  if (part.list === 'each') {
    const step = size * (part.times ?? 1)
    if (rest < 0 || rest % step !== 0) return undefined
    const count = rest / step
    params[part.param] = Array.from({ length: count }, (_, n) => read(payload, at + n * step) - (part.offset ?? 0))
    return rest
  }
  if (at + size > payload.length) return undefined
  const number = read(payload, at)
  const value = paramValue(document, part, number)
  if (value !== undefined && part.list !== 'count') params[part.param] = value
  return size
}

function paramValue(document: ProfileDocument, part: ParamPart, number: number): Value | undefined {
  if (part.map === 'regions') {
    const regions = Object.entries(document.limits?.regions ?? {})
    return regions.find(([, code]) => numberOf(code) === number)?.[0] ?? number
  }
  if (part.map !== undefined) return mappedValue(part.map, number)
  if (part.list === 'mask') return Array.from({ length: 32 }, (_, n) => n + 1).filter((n) => number & (1 << (n - 1)))
  return (number - (part.offset ?? 0)) / (part.scale ?? 1)
}

/** The value whose number this is, as a number where it looks like one. */
function mappedValue(map: Readonly<Record<string, Num>>, number: number): Value {
  const name = Object.entries(map).find(([, code]) => numberOf(code) === number)?.[0] ?? number
  return Number.isNaN(Number(name)) ? name : Number(name)
}
