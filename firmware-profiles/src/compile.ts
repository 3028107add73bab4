import { compileAssembler } from './assemble.ts'
import { commandInfo, writeCommand } from './commands.ts'
import { createSlots } from './cursor.ts'
import { compileDecoder } from './decoder.ts'
import type { Decoded, Driver, Lifecycle, Limits, ReplyMatch, SerialSettings } from './driver.ts'
import { createEngine } from './engine.ts'
import { compileCheck } from './integrity.ts'
import { numberOf } from './number.ts'
import type { CommandSpec, ProfileDocument } from './profile.ts'
import { createReaderSide } from './reader-side.ts'
import { compileShape } from './shape.ts'

/** Compiles a resolved and checked profile; `loadProfile` is the way in. */
export function compileProfile(document: ProfileDocument, fingerprint: string): Driver {
  const shape = compileShape(document.framing, 'reply')
  const verify = compileVerify(document)
  const assembler = compileAssembler(document.framing, document.integrity)
  const decoder = compileDecoder(document, shape, createSlots())
  const createFramer: Driver['createFramer'] = (sink) =>
    createEngine<Decoded>({
      shape,
      gapMs: document.serial.gapMs,
      verify,
      read: decoder.read,
      deliver: sink,
      garbage: (bytes, start, end, why) => sink(decoder.garbage(bytes, start, end, why)),
    })
  const matchers = new Map(Object.entries(document.commands).map(([name, spec]) => [name, compileMatch(spec, decoder)]))
  return {
    id: document.id,
    version: document.version,
    name: document.name,
    fingerprint,
    document,
    tagKind: document.tagKind,
    rssi: rssiOf(document),
    serial: serialOf(document),
    ...(document.tcpPort === undefined ? {} : { tcpPort: document.tcpPort }),
    lifecycle: lifecycleOf(document),
    limits: limitsOf(document),
    commands: new Map(
      Object.entries(document.commands).map(([name, spec]) => [name, commandInfo(document, name, spec)]),
    ),
    maxFrame: shape.max,
    layouts: shape.layouts,
    createFramer,
    decode: (frame) => decodeOne(frame, createFramer, decoder.garbage),
    encode: (name, params = {}, options = {}) =>
      writeCommand(document, { name, params, layout: options.layout ?? 0, assembler }),
    matches: (command, decoded) => matchers.get(command)?.(decoded) ?? 'other',
    reader: createReaderSide({ document, shape: compileShape(document.framing, 'command'), assembler, verify }),
  }
}

type Verify = (bytes: Uint8Array, start: number, total: number) => boolean

function compileVerify(document: ProfileDocument): Verify {
  const checks = document.integrity.map(compileCheck)
  const [only] = checks
  if (only !== undefined && checks.length === 1) return only.verify
  return (bytes, start, total) => checks.every((check) => check.verify(bytes, start, total))
}

type MakeGarbage = (bytes: Uint8Array, start: number, end: number, why: string) => Decoded

/** Exactly one frame; of anything else, the first thing that is wrong with it. */
function decodeOne(frame: Uint8Array, createFramer: Driver['createFramer'], garbage: MakeGarbage): Decoded {
  const found: Decoded[] = []
  const framer = createFramer((decoded) => found.push(decoded))
  framer.push(frame, 0)
  framer.flush()
  const [first] = found
  if (first !== undefined && found.length === 1 && framer.counters.bytesDropped === 0) return first
  const broken = found.find((one) => one.verdict === 'garbage')
  const why = broken?.why ?? (found.length > 1 ? 'more than one frame' : 'empty')
  return garbage(frame, 0, frame.length, why)
}

function compileMatch(spec: CommandSpec, decoder: ReturnType<typeof compileDecoder>): (decoded: Decoded) => ReplyMatch {
  const { expect } = spec
  if (expect === undefined) return () => 'other'
  const names = new Set(expect.messages)
  const isReply = decoder.compileTest(expect.when)
  const isOk = decoder.compileTest(expect.okWhen)
  return (decoded) => {
    if (!names.has(decoded.message) || !isReply(decoded)) return 'other'
    return decoded.verdict === 'error' || !isOk(decoded) ? 'failed' : 'ok'
  }
}

function serialOf({ serial }: ProfileDocument): SerialSettings {
  return {
    dataBits: 8,
    parity: 'none',
    stopBits: 1,
    flow: 'none',
    turnaroundMs: 0,
    openDelayMs: 0,
    ...serial,
  }
}

function lifecycleOf({ lifecycle }: ProfileDocument): Lifecycle {
  const { open = [], start = [] } = lifecycle
  return {
    identify: [],
    poll: [],
    health: [],
    close: [],
    ...lifecycle,
    open,
    start,
    onBoot: lifecycle.onBoot ?? [...open, ...start],
  }
}

function limitsOf({ limits }: ProfileDocument): Limits {
  const regions = Object.entries(limits?.regions ?? {}).map(([name, code]): [string, number] => [name, numberOf(code)])
  return { ...limits, regions: new Map(regions) }
}

function rssiOf({ messages }: ProfileDocument): Driver['rssi'] {
  const spec = messages.find((message) => message.tag?.rssi)?.tag?.rssi
  if (spec === undefined) return { unit: 'none', calibrated: false }
  return { unit: spec.dbm === undefined ? spec.unit : 'dBm', calibrated: spec.calibrated }
}
