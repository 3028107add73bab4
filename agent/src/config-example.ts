import { stringify } from 'yaml'
import { z } from 'zod'

import { documentSchema } from './config-schema.ts'

/** A part of the JSON schema, as far as the example needs it. */
interface Node {
  readonly description?: string
  readonly examples?: readonly unknown[]
  /** Where zod leaves out `examples`, because the value is changed on reading. */
  readonly example?: unknown
  /** Stands in the example as set, although it may be left out. */
  readonly isShown?: boolean
  readonly default?: unknown
  readonly const?: unknown
  readonly type?: string
  readonly properties?: Readonly<Record<string, Node>>
  readonly required?: readonly string[]
  readonly items?: Node
  readonly anyOf?: readonly Node[]
  readonly oneOf?: readonly Node[]
  readonly enum?: readonly unknown[]
}

const WIDTH = 118
const HEAD = `# Configuration of a BioTrakr gateway: /etc/biotrakr/agent.yaml
#
# Lines that begin with "#key:" are settings that may be left out, with their default or an example. Paths are relative
# to this file; credential:NAME is one that the service manager hands over. Unknown keys are errors.
#
#   biotrakr config check -c /etc/biotrakr/agent.yaml     says everything that is wrong
#   biotrakr config show -c /etc/biotrakr/agent.yaml      what is in force, defaults included
#   systemctl reload biotrakr-agent                       takes over log, records, tags, siteMap and centre
#   systemctl restart biotrakr-agent                      takes over everything else

`

/** The configuration as JSON schema, for editors and other programs. */
export function configJsonSchema(): object {
  return z.toJSONSchema(documentSchema, { io: 'input', unrepresentable: 'any' })
}

/** The commented example; what it sets is a whole configuration, and so is what it leaves out. */
export function configExample(): string {
  const root = configJsonSchema() as Node
  const parts = Object.entries(root.properties ?? {}).map(([key, node]) =>
    keyLines(key, node, { depth: 0, isOn: isSet(root, key, node) }).join('\n'),
  )
  return `${HEAD}${parts.join('\n\n')}\n`
}

interface Where {
  readonly depth: number
  /** False: the line is one that may be left out. */
  readonly isOn: boolean
}

function keyLines(key: string, node: Node, where: Where): string[] {
  const { depth, isOn } = where
  const comment = commentLines(node.description, depth)
  if (node.properties && node.examples === undefined) {
    return [...comment, put(`${key}:`, where), ...objectLines(node, { depth: depth + 1, isOn })]
  }
  const kinds = node.items?.oneOf ?? node.items?.anyOf
  if (kinds) return [...comment, put(`${key}:`, where), ...kindLines(kinds, { depth: depth + 1, isOn })]
  if (node.items?.properties) {
    return [...comment, put(`${key}:`, where), ...itemLines(node.items, { depth: depth + 1, isOn })]
  }
  const value = node.example ?? node.default ?? node.examples?.[0] ?? node.const
  const text = stringify({ [key]: value }, { lineWidth: 0 }).trimEnd()
  return [...comment, ...text.split('\n').map((line) => put(line, where))]
}

function isSet({ required = [] }: Node, key: string, { isShown = false }: Node): boolean {
  return isShown || required.includes(key)
}

function objectLines(item: Node, { depth, isOn }: Where): string[] {
  return Object.entries(item.properties ?? {}).flatMap(([key, node]) =>
    keyLines(key, node, { depth, isOn: isOn && isSet(item, key, node) }),
  )
}

/** One item of each kind; the first is in force, where the list is. */
function kindLines(kinds: readonly Node[], { depth, isOn }: Where): string[] {
  return kinds.flatMap((kind, at) => [
    ...commentLines(kind.description, depth),
    ...itemLines(kind, { depth, isOn: isOn && at === 0 }),
  ])
}

/** The item's first key carries the dash; its comments stand above. */
function itemLines(item: Node, { depth, isOn }: Where): string[] {
  const lines = objectLines(item, { depth: depth + 1, isOn })
  const first = lines.findIndex((line) => /^ *#?\w/.test(line))
  return lines.map((line, at) => {
    if (at !== first) return line
    const bare = line.replace('#', '').trimStart()
    return put(`- ${bare}`, { depth, isOn })
  })
}

function put(text: string, { depth, isOn }: Where): string {
  return `${'  '.repeat(depth)}${isOn ? '' : '#'}${text}`
}

function commentLines(text: string | undefined, depth: number): string[] {
  if (text === undefined) return []
  const pad = `${'  '.repeat(depth)}# `
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && pad.length + line.length + word.length + 1 > WIDTH) {
      lines.push(pad + line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, pad + line]
}
