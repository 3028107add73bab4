import type { Fields, Params, ReceivedCommand } from './driver.ts'
import { knownHex } from './hex.ts'
import { compileCondition, numberOf } from './number.ts'
import type { AnswerSpec, CommandSpec, PartSpec, ProfileDocument, WrongParameterRule } from './profile.ts'

type ParamPart = Extract<PartSpec, { readonly param: string }>
type Direction = 'above' | 'below'

/**
 * What a reader says to a command that it knows but cannot carry out as it is.
 *
 * @param payload what the profile's `send` spells
 * @returns undefined when there is nothing wrong, or nothing that the profile has a rule for
 */
export function wrongParameterAnswer(
  document: ProfileDocument,
  received: ReceivedCommand,
  { payload, state }: { readonly payload: Uint8Array; readonly state: Fields },
): readonly AnswerSpec[] | undefined {
  const rules = document.wrongParameter?.rules ?? []
  if (received.command === null) {
    const wrong = wrongLength(document, payload)
    if (wrong === undefined) return undefined
    return rules.find((rule) => rule.param === undefined && fits(rule, wrong))?.answer
  }
  const spec = document.commands[received.command]
  return spec && rules.find((rule) => isBroken(document, rule, { spec, params: received.params, state }))?.answer
}

/** Both, where the command is known and has neither too many nor too few bytes for all of its forms. */
function wrongLength(document: ProfileDocument, payload: Uint8Array): readonly Direction[] | undefined {
  const { at, bytes } = document.wrongParameter?.code ?? { at: 0, bytes: 1 }
  const code = payload.subarray(at, at + bytes)
  if (code.length < bytes) return ['below']
  const forms = Object.values(document.commands).filter((spec) => hasCode(spec, at, code))
  if (forms.length === 0) return undefined
  const isLonger = forms.every((spec) => payload.length > leastBytes(spec) && !spec.send.some(isOpen))
  const isShorter = forms.every((spec) => payload.length < leastBytes(spec))
  if (isLonger) return ['above']
  return isShorter ? ['below'] : ['above', 'below']
}

function hasCode(spec: CommandSpec, at: number, code: Uint8Array): boolean {
  let offset = 0
  for (const part of spec.send) {
    if (typeof part === 'string') {
      const bytes = knownHex(part)
      const from = at - offset
      if (from >= 0 && from < bytes.length) return code.every((byte, n) => bytes[from + n] === byte)
    }
    offset += partBytes(part)
  }
  return false
}

function leastBytes(spec: CommandSpec): number {
  return spec.send.reduce((bytes, part) => bytes + partBytes(part), 0)
}

/** Bytes of a part; none for one of open length. */
function partBytes(part: PartSpec): number {
  if (typeof part === 'string') return knownHex(part).length
  if ('text' in part) return part.text.length
  return isOpen(part) ? 0 : Number(part.type.slice(1)) / 8
}

function isOpen(part: PartSpec): boolean {
  return typeof part === 'object' && 'param' in part && (part.list === 'each' || !/^[us]\d/.test(part.type))
}

interface Asked {
  readonly spec: CommandSpec
  readonly params: Params
  readonly state: Fields
}

function isBroken(document: ProfileDocument, rule: WrongParameterRule, { spec, params, state }: Asked): boolean {
  const { param } = rule
  if (param === undefined) return false
  if (rule.missing === true) {
    return spec.radiates === true && state[param] === undefined && params[param] === undefined
  }
  const part = spec.send.find(
    (one): one is ParamPart => typeof one === 'object' && 'param' in one && one.param === param,
  )
  const value = params[param]
  if (part === undefined || value === undefined) return false
  if (rule.unless === undefined) return fits(rule, wrongValue(document, part, value))
  const number = typeof value === 'string' ? regionNumber(document, value) : Number(value)
  return !rule.unless.some((right) => compileCondition(right)(number, undefined))
}

function fits({ is }: WrongParameterRule, wrong: readonly Direction[]): boolean {
  return is === undefined ? wrong.length > 0 : wrong.length === 1 && wrong[0] === is
}

function regionNumber({ limits }: ProfileDocument, name: string): number {
  const number = limits?.regions?.[name]
  return number === undefined ? Number.NaN : numberOf(number)
}

/** In which direction a value leaves what the profile declares; both where there is no order, as among regions. */
function wrongValue(document: ProfileDocument, part: ParamPart, value: Params[string]): readonly Direction[] {
  if (part.map === 'regions') return typeof value === 'string' ? [] : ['above', 'below']
  if (part.param === 'baud') return document.serial.baud.includes(Number(value)) ? [] : ['above', 'below']
  if (typeof value === 'string') return []
  const { min = -Infinity, max = Infinity } = boundsOf(document, part.param)
  const numbers = typeof value === 'number' ? [value] : value
  if (numbers.length === 0 || numbers.some((number) => number < min)) return ['below']
  return numbers.some((number) => number > max) ? ['above'] : []
}

interface Bounds {
  readonly min?: number | undefined
  readonly max?: number | undefined
}

function boundsOf({ limits, parameters }: ProfileDocument, param: string): Bounds {
  if (param === 'antennas' || param === 'antenna') return { min: 1, max: limits?.antennas }
  const power = param === 'powerDbm' ? limits?.powerDbm : undefined
  const rules = parameters?.[param]
  return { min: rules?.min ?? power?.min, max: rules?.max ?? power?.max }
}
