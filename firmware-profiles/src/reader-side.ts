import type { Assembler } from './assemble.ts'
import { readCommand } from './commands.ts'
import type { Fields, FieldValue, ReaderSide, ReceivedCommand, TagReport } from './driver.ts'
import { createEngine } from './engine.ts'
import { parameterError, tagValues, writeMessage } from './message-write.ts'
import { compileCondition } from './number.ts'
import type { AnswerSpec, MessageSpec, ProfileDocument } from './profile.ts'
import type { Shape } from './shape.ts'
import { wrongParameterAnswer } from './wrong-parameter.ts'

export interface ReaderParts {
  readonly document: ProfileDocument
  /** Of the host's frames. */
  readonly shape: Shape
  readonly assembler: Assembler
  verify(bytes: Uint8Array, start: number, total: number): boolean
}

/** The profile run backwards: reads commands and writes what a reader says. */
export function createReaderSide(parts: ReaderParts): ReaderSide {
  const { document, assembler } = parts
  const messageOf = (name: string): MessageSpec => {
    const message = document.messages.find((spec) => spec.name === name)
    if (message === undefined) throw parameterError(document, `there is no message ${name}`)
    return message
  }
  const encodeMessage: ReaderSide['encodeMessage'] = (name, values = {}, options = {}) =>
    writeMessage(document, { message: messageOf(name), values, layout: options.layout ?? 0, assembler })
  const read = compileReceive(parts)
  const say = (answers: readonly AnswerSpec[], received: ReceivedCommand, state: Fields): readonly Uint8Array[] =>
    answers
      .filter((answer) => applies(answer, state))
      .map((answer) =>
        encodeMessage(answer.message, { ...valuesOf(answer, received), ...statesOf(answer, state) }, received),
      )
  return {
    createFramer: (sink) =>
      createEngine<ReceivedCommand>({
        shape: parts.shape,
        gapMs: document.serial.gapMs,
        verify: parts.verify,
        read,
        deliver: sink,
        garbage() {},
      }),
    decodeCommand(frame) {
      const found: ReceivedCommand[] = []
      const framer = this.createFramer((command) => found.push(command))
      framer.push(frame, 0)
      framer.flush()
      return framer.counters.bytesDropped === 0 && found.length === 1 ? found[0] : undefined
    },
    answer(received, state = {}) {
      const spec = received.command === null ? undefined : document.commands[received.command]
      const answers = received.command === null ? document.unknownCommand : spec?.answer
      return say(answers ?? [], received, state)
    },
    refusal(received, state = {}) {
      const payload = assembler.payloadOf(received.frame, parts.shape.layoutOf(received.frame, 0))
      // A refusal says what was asked for, not what has been set.
      return say(wrongParameterAnswer(document, received, { payload, state }) ?? [], received, {})
    },
    encodeMessage,
    encodeTags(tags, { message, values = {}, layout = 0 } = {}) {
      const spec = message === undefined ? tagMessage(document, tags[0]) : messageOf(message)
      if (spec?.tag === undefined) throw parameterError(document, 'it has no such tag message')
      return encodeMessage(spec.name, { ...values, ...tagFields(spec, tags) }, { layout })
    },
  }
}

function compileReceive({ document, shape, assembler }: ReaderParts) {
  const commands = Object.entries(document.commands)
  return (bytes: Uint8Array, start: number, total: number): ReceivedCommand => {
    const frame = bytes.slice(start, start + total)
    const layout = shape.layoutOf(frame, 0)
    const payload = assembler.payloadOf(frame, layout)
    for (const [command, spec] of commands) {
      const params = readCommand(document, spec, payload)
      if (params !== undefined) return { command, params, layout, frame }
    }
    return { command: null, params: {}, layout, frame }
  }
}

/** The first message for tags, of the right band where the profile has both. */
function tagMessage({ messages }: ProfileDocument, tag: TagReport | undefined): MessageSpec | undefined {
  const fits = (spec: MessageSpec) => tag?.band === undefined || spec.tag?.band === tag.band
  return messages.find((spec) => spec.tag !== undefined && fits(spec))
}

function applies({ when }: AnswerSpec, state: Fields): boolean {
  return Object.entries(when ?? {}).every(([name, condition]) => {
    const value = state[name]
    const text = typeof value === 'string' ? value : undefined
    return compileCondition(condition)(typeof value === 'number' ? value : Number.NaN, text)
  })
}

function valuesOf(answer: AnswerSpec, { frame }: ReceivedCommand): Record<string, FieldValue> {
  const values: Record<string, FieldValue> = {}
  for (const [name, value] of Object.entries(answer.values ?? {})) {
    values[name] = typeof value === 'object' ? (frame[value.requestByte] ?? 0) : value
  }
  return values
}

/** The state, without what the profile copies from the command itself. */
function statesOf(answer: AnswerSpec, state: Fields): Fields {
  const copied = Object.entries(answer.values ?? {}).filter(([, value]) => typeof value === 'object')
  const names = new Set(copied.map(([name]) => name))
  return Object.fromEntries(Object.entries(state).filter(([name]) => !names.has(name)))
}

function tagFields(spec: MessageSpec, tags: readonly TagReport[]): Fields {
  if (spec.tag === undefined) return {}
  const { tag } = spec
  const [first] = tags
  if (spec.tagsIn === undefined) return first === undefined ? {} : tagValues(tag, first)
  const turns = tags.map((report) => tagValues(tag, report))
  // What stands once for all of them (an antenna in front of the list) is taken from the first.
  return { ...turns[0], [spec.tagsIn]: turns }
}
