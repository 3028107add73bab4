import { namesIn } from './field-read.ts'
import { flatten } from './field-write.ts'
import { joinPath, type Problem } from './problem.ts'
import type { CommandSpec, Conditions, FieldSpec, MessageSpec, ProfileDocument, TagSpec } from './profile.ts'

/** Parameters that the gateway fills from its own configuration. */
const GATEWAY_PARAMETERS: ReadonlySet<string> = new Set([
  'region',
  'powerDbm',
  'antennas',
  'antenna',
  'address',
  'baud',
])

const STEPS = ['identify', 'open', 'start', 'poll', 'onBoot', 'health', 'close'] as const

/** Everything in a document that names something which is not there, or comes later. */
export function nameProblems(document: ProfileDocument): Problem[] {
  return [
    ...headerProblems(document),
    ...document.messages.flatMap((message, n) => messageProblems(document, message, `messages[${n}]`)),
    ...doubledMessages(document),
    ...Object.entries(document.commands).flatMap(([name, spec]) => commandProblems(document, spec, `commands.${name}`)),
    ...answerProblems(document, document.unknownCommand, 'unknownCommand'),
    ...wrongParameterProblems(document),
    ...lifecycleProblems(document),
    ...framingProblems(document),
    ...integrityProblems(document),
  ]
}

function headerProblems(document: ProfileDocument): Problem[] {
  const known = new Set<string>()
  return fieldProblems(document.header ?? [], known, 'header')
}

function messageProblems(document: ProfileDocument, message: MessageSpec, path: string): Problem[] {
  const known = new Set(namesIn(document.header ?? []))
  const problems = [
    ...unknownIn(message.when, known, `${path}.when`),
    ...fieldProblems(message.fields ?? [], known, `${path}.fields`),
  ]
  if (message.errorCode !== undefined && !known.has(message.errorCode)) {
    problems.push(unknownField(`${path}.errorCode`, message.errorCode))
  }
  const isTag = message.role === 'tag' || message.role === 'tags'
  if (isTag && message.tag === undefined) problems.push({ path: `${path}.tag`, message: 'is missing' })
  if (message.tag !== undefined) {
    problems.push(...tagProblems(document, { tag: message.tag, known, path: `${path}.tag` }))
  }
  const repeats = flatten(message.fields ?? []).filter((spec) => spec.type === 'repeat')
  if (message.tagsIn !== undefined && !repeats.some((spec) => spec.name === message.tagsIn)) {
    problems.push({ path: `${path}.tagsIn`, message: `there is no repeat ${message.tagsIn}` })
  }
  return problems
}

interface TagPlace {
  readonly tag: TagSpec
  readonly known: ReadonlySet<string>
  readonly path: string
}

function tagProblems({ tagKind }: ProfileDocument, { tag, known, path }: TagPlace): Problem[] {
  const named: [string, string | undefined][] = [
    ['epc', tag.epc],
    ['pc', tag.pc],
    ['tagCrc.field', tag.tagCrc?.field],
    ['rssi.field', tag.rssi?.field],
    ['antenna.field', tag.antenna?.field],
    ['freqKHz', tag.freqKHz],
    ['phaseDeg', tag.phaseDeg],
    ['readerTimeMs', tag.readerTimeMs],
  ]
  const problems = named.flatMap(([at, name]) =>
    name === undefined || known.has(name) ? [] : [unknownField(`${path}.${at}`, name)],
  )
  if (tagKind === 'uid' && tag.band === undefined) problems.push({ path: `${path}.band`, message: 'is missing' })
  if (tagKind === 'epc' && tag.band !== undefined) {
    problems.push({ path: `${path}.band`, message: 'is only for tagKind uid' })
  }
  if (tag.checkPcLength === true && tag.pc === undefined) {
    problems.push({ path: `${path}.checkPcLength`, message: 'needs pc' })
  }
  return problems
}

function unknownField(path: string, name: string): Problem {
  return { path, message: `there is no field ${name} before this` }
}

function unknownIn(conditions: Conditions | undefined, known: ReadonlySet<string>, path: string): Problem[] {
  return Object.keys(conditions ?? {}).flatMap((name) =>
    known.has(name) ? [] : [unknownField(joinPath(path, name), name)],
  )
}

/** Goes through fields in their order, so that a name counts only once it has been read. */
function fieldProblems(specs: readonly FieldSpec[], known: Set<string>, path: string): Problem[] {
  return specs.flatMap((spec, n) => {
    const at = `${path}[${n}]`
    const problems = [...unknownIn(spec.if, known, `${at}.if`), ...referenceProblems(spec, known, at)]
    if (spec.type === 'repeat' && spec.name !== undefined) known.add(spec.name)
    problems.push(...insideProblems(spec, known, at))
    if (spec.name !== undefined) known.add(spec.name)
    return problems
  })
}

function referenceProblems(spec: FieldSpec, known: ReadonlySet<string>, path: string): Problem[] {
  const references: [string, string | undefined][] = [
    ['from', spec.type === 'derived' ? spec.from : undefined],
    ['flags', spec.type === 'flagged' ? spec.flags : undefined],
    ['count', spec.type === 'repeat' ? spec.count : undefined],
    ['size.ref', 'size' in spec && typeof spec.size === 'object' && 'ref' in spec.size ? spec.size.ref : undefined],
  ]
  return references.flatMap(([at, name]) =>
    name === undefined || known.has(name) ? [] : [unknownField(`${path}.${at}`, name)],
  )
}

function insideProblems(spec: FieldSpec, known: Set<string>, path: string): Problem[] {
  if (spec.type === 'group' || spec.type === 'repeat') return fieldProblems(spec.fields, known, `${path}.fields`)
  if (spec.type === 'flagged') {
    return spec.items.flatMap((item, n) => fieldProblems(item.fields, known, `${path}.items[${n}].fields`))
  }
  if (spec.type !== 'tlv') return []
  return Object.entries(spec.items).flatMap(([id, fields]) => fieldProblems(fields, known, `${path}.items.${id}`))
}

function doubledMessages({ messages }: ProfileDocument): Problem[] {
  return messages.flatMap(({ name }, n) =>
    messages.findIndex((message) => message.name === name) === n
      ? []
      : [{ path: `messages[${n}].name`, message: `${name} is the name of another message` }],
  )
}

function commandProblems(document: ProfileDocument, spec: CommandSpec, path: string): Problem[] {
  const problems = spec.send.flatMap((part, n) => {
    if (typeof part === 'string' || !('param' in part)) return []
    return isParameter(document, part.param)
      ? []
      : [{ path: `${path}.send[${n}].param`, message: `there is no parameter ${part.param}` }]
  })
  for (const [n, name] of (spec.expect?.messages ?? []).entries()) {
    if (!hasMessage(document, name)) problems.push(unknownMessage(`${path}.expect.messages[${n}]`, name))
  }
  const known = new Set(
    flatten([...(document.header ?? []), ...document.messages.flatMap((one) => one.fields ?? [])]).flatMap(
      (field) => field.name ?? [],
    ),
  )
  problems.push(...unknownIn(spec.expect?.when, known, `${path}.expect.when`))
  problems.push(...unknownIn(spec.expect?.okWhen, known, `${path}.expect.okWhen`))
  const asked = spec.stored?.query?.command
  if (asked !== undefined && document.commands[asked]?.expect === undefined) {
    problems.push({ path: `${path}.stored.query.command`, message: `there is no command ${asked} that is answered` })
  }
  return [...problems, ...answerProblems(document, spec.answer, `${path}.answer`)]
}

function hasMessage({ messages, framing }: ProfileDocument, name: string): boolean {
  return messages.some((message) => message.name === name) || (framing.kind === 'pn532' && name === 'ack')
}

function unknownMessage(path: string, name: string): Problem {
  return { path, message: `there is no message ${name}` }
}

function answerProblems(document: ProfileDocument, answers: CommandSpec['answer'], path: string): Problem[] {
  return (answers ?? []).flatMap(({ message }, n) =>
    document.messages.some(({ name }) => name === message) ? [] : [unknownMessage(`${path}[${n}].message`, message)],
  )
}

function wrongParameterProblems(document: ProfileDocument): Problem[] {
  return (document.wrongParameter?.rules ?? []).flatMap(({ param, answer }, n) => {
    const path = `wrongParameter.rules[${n}]`
    const isKnown = param === undefined || isParameter(document, param)
    return [
      ...(isKnown ? [] : [{ path: `${path}.param`, message: `there is no parameter ${param}` }]),
      ...answerProblems(document, answer, `${path}.answer`),
    ]
  })
}

function isParameter({ parameters }: ProfileDocument, name: string): boolean {
  return GATEWAY_PARAMETERS.has(name) || parameters?.[name] !== undefined
}

function lifecycleProblems({ lifecycle, commands, limits }: ProfileDocument): Problem[] {
  const problems = STEPS.flatMap((step) =>
    (lifecycle[step] ?? []).flatMap((name, n) =>
      Object.hasOwn(commands, name)
        ? []
        : [{ path: `lifecycle.${step}[${n}]`, message: `there is no command ${name}` }],
    ),
  )
  const usesRegion = Object.values(commands).some((spec) =>
    spec.send.some((part) => typeof part === 'object' && 'param' in part && part.map === 'regions'),
  )
  if (usesRegion && limits?.regions === undefined) problems.push({ path: 'limits.regions', message: 'is missing' })
  const needsPoll = lifecycle.inventory === 'hostPoll' || lifecycle.inventory === 'roundLoop'
  if (needsPoll && (lifecycle.poll ?? []).length === 0) {
    problems.push({ path: 'lifecycle.poll', message: `is missing, which ${lifecycle.inventory} needs` })
  }
  return problems
}

function framingProblems({ framing }: ProfileDocument): Problem[] {
  const problems: Problem[] = []
  if (framing.min > framing.max) problems.push({ path: 'framing.min', message: 'is more than max' })
  if (framing.kind !== 'length') return problems
  for (const [n, layout] of framing.layouts.entries()) {
    const path = `framing.layouts[${n}]`
    if ((layout.length === undefined) === (layout.fixed === undefined)) {
      problems.push({ path, message: 'needs either length or fixed' })
    }
    if (layout.body.from - layout.body.to > framing.min) {
      problems.push({ path: `${path}.body`, message: 'leaves nothing of the shortest frame' })
    }
  }
  return problems
}

function integrityProblems({ framing, integrity }: ProfileDocument): Problem[] {
  const problems = integrity.flatMap((spec, n): Problem[] =>
    spec.kind === 'crc16' && spec.poly === undefined ? [{ path: `integrity[${n}].poly`, message: 'is missing' }] : [],
  )
  const isText = framing.kind === 'line' || framing.kind === 'jsonLine'
  if (isText && integrity.length > 0) problems.push({ path: 'integrity', message: 'is not for lines of text' })
  if ((framing.kind === 'pn532') !== integrity.some((spec) => spec.kind === 'pn532')) {
    problems.push({ path: 'integrity', message: 'of kind pn532 belongs to framing of kind pn532, and only there' })
  }
  return problems
}
