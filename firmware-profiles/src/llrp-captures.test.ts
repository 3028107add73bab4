import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, it } from 'vitest'

import { readCapabilities } from './llrp-capabilities.ts'
import { settingsProblem } from './llrp-commands.ts'
import { createLlrpFramer } from './llrp-framer.ts'
import { decodeLlrpMessage, encodeLlrpMessage, type LlrpMessage } from './llrp-messages.ts'
import { findParameter } from './llrp-parameters.ts'
import { tagsOfReport } from './llrp-report.ts'

interface Expected {
  readonly direction?: 'command'
  readonly messages: readonly string[]
  readonly tags?: readonly unknown[]
  readonly reader?: unknown
  readonly events?: readonly string[]
}

const folder = fileURLToPath(new URL('../llrp', import.meta.url))
const captures = join(folder, 'captures')

function readCase(name: string): { readonly stream: Uint8Array; readonly expected: Expected } {
  const hex = readFileSync(join(captures, name, 'input.hex'), 'utf8').replaceAll(/\s/g, '')
  const expected = JSON.parse(readFileSync(join(captures, name, 'expected.json'), 'utf8')) as Expected
  return { stream: Buffer.from(hex, 'hex'), expected }
}

function decodeAll(stream: Uint8Array): LlrpMessage[] {
  return createLlrpFramer()
    .push(stream)
    .frames.map((frame) => {
      const verdict = decodeLlrpMessage(frame)
      if (verdict.kind !== 'message') throw new Error(`not understood: ${JSON.stringify(verdict)}`)
      return verdict.message
    })
}

describe.each(readdirSync(captures))('the recorded frames of %s', (name) => {
  const { stream, expected } = readCase(name)
  const messages = decodeAll(stream)

  it('are the messages they are known to be', () => {
    expect(messages.map((message) => message.name)).toEqual(expected.messages)
  })

  it('give the recorded tags, capabilities and events', () => {
    const tags = messages.flatMap((message) => tagsOfReport(message.children).tags)
    expect(tags).toEqual(expected.tags ?? [])
    if (expected.reader !== undefined) expect(readCapabilities(messages[0]?.children ?? [])).toEqual(expected.reader)
    const events = messages.map(
      ({ children }) => findParameter(children, 'ReaderEventNotificationData')?.children.at(-1)?.name,
    )
    if (expected.events !== undefined) expect(events).toEqual(expected.events)
  })

  if (expected.direction !== 'command') return
  it('encode to the same bytes', () => {
    expect(Buffer.concat(messages.map((message) => encodeLlrpMessage(message as never))).toString('hex')).toBe(
      Buffer.from(stream).toString('hex'),
    )
  })
})

describe('the LLRP profile', () => {
  it('holds settings that a session accepts', () => {
    const { rospec } = JSON.parse(readFileSync(join(folder, 'profile.json'), 'utf8'))
    expect(settingsProblem({ region: 'ETSI', antennas: [{ port: 1, powerDbm: 27 }], rospec })).toBeUndefined()
  })
})
