import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'

import { readConfig } from './config.ts'
import { configExample, configJsonSchema } from './config-example.ts'
import { documentSchema } from './config-schema.ts'

const shipped = join(import.meta.dirname, '../../systemd/agent.yaml')
/** With every setting that may be left out in force. */
const whole = () =>
  configExample()
    .slice(configExample().indexOf('\n\n'))
    .replaceAll(/^( *)#(?! \S)/gm, '$1')

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-example-'))
  const map = { version: 1, rooms: [{ id: '101' }], receivers: [{ id: 'rx-101', medium: 'BLE', room: '101' }] }
  writeFileSync(join(folder, 'site-map.yaml'), JSON.stringify(map))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the example of the configuration', () => {
  it('is the file that is shipped (`npx biotrakr config example > systemd/agent.yaml`)', () => {
    expect(readFileSync(shipped, 'utf8')).toBe(configExample())
  })

  it('is a configuration that works with the site map it names, and sets nothing but what must be set', () => {
    const file = join(folder, 'agent.yaml')
    writeFileSync(file, configExample())
    const config = readConfig(file)
    expect(config).toMatchObject({ gateway: 'gw-ward-3', records: { keepAliveSeconds: 300 }, api: { port: 9470 } })
    expect(config.sources).toMatchObject([{ kind: 'ble', adapters: [{ receiver: 'rx-101', index: 0 }] }])
  })

  it('shows every key there is, with a value that the schema takes', () => {
    const all = parse(whole())
    const adapter = all.sources[0].adapters[0]
    expect(Object.keys(adapter).sort()).toContain('references')
    // Where an adapter is may be said in one way only.
    for (const other of ['address', 'port', 'baudRate']) delete adapter[other]
    expect(documentSchema.safeParse(all).error).toBeUndefined()
    expect(missingKeys(configJsonSchema(), whole())).toEqual([])
    expect(Object.keys(all)).toEqual(Object.keys(documentSchema.shape))
  })

  it('says of every key what it is', () => {
    expect(undescribed(configJsonSchema(), '')).toEqual([])
  })

  it('has a JSON schema that editors can use', () => {
    const check = new Ajv2020({ strict: false, formats: { uri: true, base64: true } }).compile(configJsonSchema())
    expect(check(parse(configExample())), JSON.stringify(check.errors)).toBe(true)
    expect(check({ ...parse(configExample()), sorces: [] })).toBe(false)
  })
})

interface Part {
  readonly description?: string
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, Part>>
  readonly items?: Part
  readonly oneOf?: readonly Part[]
  readonly anyOf?: readonly Part[]
}

const inner = ({ items, oneOf = [], anyOf = [] }: Part): readonly Part[] => [
  ...(items ? [items] : []),
  ...oneOf,
  ...anyOf,
]

function undescribed(part: Part, path: string): string[] {
  const own = Object.entries(part.properties ?? {}).flatMap(([key, each]) => [
    ...(each.description === undefined && each.const === undefined ? [`${path}.${key}`] : []),
    ...undescribed(each, `${path}.${key}`),
  ])
  return [...own, ...inner(part).flatMap((each) => undescribed(each, `${path}[]`))]
}

function missingKeys(part: Part, text: string): string[] {
  const keys = Object.keys(part.properties ?? {})
  const below = [...Object.values(part.properties ?? {}), ...inner(part)]
  return [...keys.filter((key) => !text.includes(`${key}:`)), ...below.flatMap((each) => missingKeys(each, text))]
}
