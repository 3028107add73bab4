import type {
  Driver,
  Fields,
  FieldValue,
  ProfileDocument,
  ReceivedCommand,
  TagReport,
} from '@biotrakr/firmware-profiles'

type MessageSpec = ProfileDocument['messages'][number]

/** What a simulated reader says, as frames. */
export interface Speech {
  /** To a command by itself; what its profile does not say how to answer is not answered. */
  answer(received: ReceivedCommand, state: Fields): readonly Uint8Array[]
  /** To a command that the reader knows but cannot carry out as it is: none if it can. */
  refusal(received: ReceivedCommand, state: Fields): readonly Uint8Array[]
  /** As many of the tags as one frame holds, and how many those are. */
  oneList(received: ReceivedCommand, tags: readonly TagReport[], state: Fields): OneList
  /** Tags of a round, and its end in the way of the protocol. */
  round(received: ReceivedCommand, tags: readonly TagReport[], state: Fields): readonly Uint8Array[]
  /** One tag of a stream. */
  streamed(tag: TagReport, layout: number, state: Fields): Uint8Array | undefined
  /** Whether it is a tag that the reader can read at all. */
  reads(tag: TagReport): boolean
  /** The first message with this role, if there is one. */
  sign(role: 'keepalive' | 'boot', layout: number): Uint8Array | undefined
}

interface OneList {
  readonly frame: readonly Uint8Array[]
  readonly count: number
}

export function createSpeech(driver: Driver): Speech {
  const { messages } = driver.document
  const write = (name: string, values: Fields, layout: number) =>
    attempt(() => driver.reader.encodeMessage(name, values, { layout }))
  const roleOf = (name: string) => messages.find((message) => message.name === name)?.role

  const answer: Speech['answer'] = (received, state) => {
    const answered =
      attempt(() => driver.reader.answer(received, state)) ?? attempt(() => driver.reader.answer(received))
    if (answered !== undefined && answered.length > 0) return answered
    const expected = specOf(driver, received)?.expect?.messages ?? []
    const first = expected.map((name) => write(name, {}, received.layout)).find((frame) => frame !== undefined)
    return first === undefined ? [] : [first]
  }

  const tagFrame = (message: MessageSpec, tags: readonly TagReport[], said: Said): Uint8Array | undefined => {
    const options = { message: message.name, layout: said.layout }
    return (
      attempt(() => driver.reader.encodeTags(tags, { ...options, values: { ...said.state, ...said.values } })) ??
      attempt(() => driver.reader.encodeTags(tags, { ...options, values: said.values }))
    )
  }

  const oneList: Speech['oneList'] = (received, tags, state) => {
    const message = tags[0] && tagMessage(messages, tags[0], specOf(driver, received)?.expect?.messages ?? [])
    if (message === undefined) return { frame: [], count: tags.length }
    const said = { layout: received.layout, state, values: {} }
    return longest(tags, (some) => tagFrame(message, some, said))
  }

  return {
    answer,
    refusal: (received, state) => attempt(() => driver.reader.refusal(received, state)) ?? [],
    oneList,
    round(received, tags, state) {
      const { layout } = received
      const spec = specOf(driver, received)
      const ending = answer(received, state)
      const [end] = spec?.answer ?? []
      const values = plainValues(end?.values)
      const found = tags.flatMap((tag) => {
        const message = tagMessage(messages, tag, spec?.expect?.messages ?? [])
        return message === undefined ? [] : [{ tag, message }]
      })
      const [first] = found
      if (first === undefined) return ending
      const said = { layout, state, values }
      if (first.message.role === 'tags') {
        const rules = turns(
          first.message,
          messages.find(({ name }) => name === end?.message),
          values,
        )
        const inOne = (some: readonly TagReport[], last: boolean) =>
          tagFrame(first.message, some, { ...said, values: { ...values, ...(last ? rules.last : rules.more) } })
        const ones = found.map(({ tag }) => tag)
        const frames = lists(ones, inOne)
        return frames.length === 0 ? ending : frames
      }
      const frames = found.flatMap(({ tag, message }) => tagFrame(message, [tag], said) ?? [])
      return frames.length === 0 || roleOf(end?.message ?? '') === 'roundEnd' ? [...frames, ...ending] : frames
    },
    streamed(tag, layout, state) {
      const message =
        messages.find((one) => one.role === 'tag' && fits(one, tag)) ?? messages.find((one) => fits(one, tag))
      return message && tagFrame(message, [tag], { layout, state, values: {} })
    },
    reads: (tag) => messages.some((message) => fits(message, tag)),
    sign(role, layout) {
      const message = messages.find((one) => one.role === role)
      return message && write(message.name, {}, layout)
    },
  }
}

interface Said {
  readonly layout: number
  readonly state: Fields
  readonly values: Fields
}

function specOf(driver: Driver, { command }: ReceivedCommand) {
  return command === null ? undefined : driver.document.commands[command]
}

/** A reader has no one to throw at: what its profile cannot write is not said. */
function attempt<T>(write: () => T): T | undefined {
  try {
    return write()
  } catch {
    return undefined
  }
}

function fits({ tag }: MessageSpec, { band }: TagReport): boolean {
  return tag !== undefined && (tag.band === undefined || band === undefined || tag.band === band)
}

/** The message that the command's own reply says tags with, else the profile's first. */
function tagMessage(messages: readonly MessageSpec[], tag: TagReport, expected: readonly string[]) {
  return (
    messages.find((message) => expected.includes(message.name) && fits(message, tag)) ??
    messages.find((message) => fits(message, tag))
  )
}

function plainValues(values: Readonly<Record<string, FieldValue | object>> | undefined): Fields {
  return Object.fromEntries(
    Object.entries(values ?? {}).flatMap(([name, value]): [string, FieldValue][] =>
      typeof value === 'object' ? [] : [[name, value]],
    ),
  )
}

interface Turns {
  /** Values of a frame that is followed by another, and of the last. */
  readonly more: Fields
  readonly last: Fields
}

/**
 * Where a list may carry one of several codes, the last frame carries the one that also ends an empty round (or else the
 * first), and a frame before it the first of the others: Chafon 03 and 01, Feig 94 and 00.
 */
function turns(list: MessageSpec, end: MessageSpec | undefined, fixed: Fields): Turns {
  const more: Record<string, number> = {}
  const last: Record<string, number> = {}
  for (const [name, condition] of Object.entries(list.when ?? {})) {
    if (!Array.isArray(condition) || name in fixed) continue
    const codes = condition.map(Number)
    const ends = end?.when?.[name]
    const endCodes = Array.isArray(ends) ? ends.map(Number) : [Number(ends)]
    const code = endCodes.find((one) => codes.includes(one)) ?? codes[0] ?? 0
    last[name] = code
    more[name] = codes.find((one) => one !== code) ?? code
  }
  return { more, last }
}

/** As many tags as one frame holds; one that fits into none is passed over. */
function longest(tags: readonly TagReport[], write: (some: readonly TagReport[]) => Uint8Array | undefined): OneList {
  for (let count = tags.length; count > 0; count--) {
    const frame = write(tags.slice(0, count))
    if (frame !== undefined) return { frame: [frame], count }
  }
  return { frame: [], count: 1 }
}

/** As many tags in a frame as it holds, the rest in the next. */
function lists(
  tags: readonly TagReport[],
  write: (some: readonly TagReport[], last: boolean) => Uint8Array | undefined,
): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let from = 0; from < tags.length; ) {
    let count = tags.length - from
    let frame = write(tags.slice(from), true)
    while (frame === undefined && count > 1) {
      count = Math.ceil(count / 2)
      frame = write(tags.slice(from, from + count), false)
    }
    if (frame !== undefined) frames.push(frame)
    from += count
  }
  return frames
}
