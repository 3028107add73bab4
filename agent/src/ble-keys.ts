import { BioTrakrError, isTagId, parseWhole, type TagId } from '@biotrakr/shared'
import { parseDocument } from 'yaml'
import { z } from 'zod'

import { readSecret } from './config.ts'

/** Keys of tags that hide who they are or what they say. */
export interface BleKeys {
  readonly irks: readonly { readonly tag: TagId; readonly irk: Uint8Array }[]
  readonly bindKeys: ReadonlyMap<TagId, Uint8Array>
  readonly ephemeral: readonly {
    readonly tag: TagId
    readonly key: Uint8Array
    readonly exponent: number
    readonly zeroMs: number
  }[]
}

const key = z
  .string()
  .regex(/^[0-9a-f]{32}$/i, 'is not 16 bytes in hex')
  .transform((hex): Uint8Array => Buffer.from(hex, 'hex'))

const NOT_OWN = 'is not one of the tags of the configuration'
const NEXT = 'Correct the file of keys and start again.'

/**
 * Reads the file of keys (YAML, readable by its owner only): `irks`, `bindKeys` (tag: 32 hex digits) and `ephemeral`
 * (Eddystone-EID: tag, key, exponent, zeroMs). No key appears in a message.
 * @throws BioTrakrError CONFIG_UNREADABLE; CONFIG_INVALID, also for a tag that is not on the allow-list
 */
export function readBleKeys(file: string, tags: readonly TagId[]): BleKeys {
  const own = new Set<string>(tags)
  const tag = z.string().refine((text): text is TagId => isTagId(text) && own.has(text), NOT_OWN)
  const byTag = z.record(tag, key, { error: ({ code }) => (code === 'invalid_key' ? NOT_OWN : undefined) }).default({})
  const schema = z.strictObject({
    irks: byTag,
    bindKeys: byTag,
    ephemeral: z
      .array(z.strictObject({ tag, key, exponent: z.int().min(0).max(15), zeroMs: z.number().min(0) }))
      .max(100_000)
      .default([]),
  })
  const { irks, bindKeys, ephemeral } = parseWhole(schema, yamlOf(file), {
    origin: file,
    code: 'CONFIG_INVALID',
    next: NEXT,
  })
  return {
    irks: entriesOf(irks).map(([owner, irk]) => ({ tag: owner, irk })),
    bindKeys: new Map(entriesOf(bindKeys)),
    ephemeral,
  }
}

function entriesOf(keys: Readonly<Record<string, Uint8Array>>): [TagId, Uint8Array][] {
  return Object.entries(keys) as [TagId, Uint8Array][]
}

/** The parser's own messages would quote the line, and with it a key. */
function yamlOf(file: string): unknown {
  const document = parseDocument(readSecret(file))
  if (document.errors.length === 0) return document.toJS() ?? {}
  throw new BioTrakrError(`${file} is not YAML`, { code: 'CONFIG_INVALID', next: NEXT })
}
