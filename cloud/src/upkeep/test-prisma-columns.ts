import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { findMigrations } from './migrations.ts'

const TYPES: Readonly<Record<string, string>> = {
  Int: 'int4',
  BigInt: 'int8',
  String: 'text',
  Boolean: 'bool',
  DateTime: 'timestamptz',
  Bytes: 'bytea',
  Float: 'float8',
  Json: 'jsonb',
  '@db.SmallInt': 'int2',
  '@db.Real': 'float4',
  '@db.Uuid': 'uuid',
  '@db.Date': 'date',
  '@db.Inet': 'inet',
}

/** Every column of the Prisma schema as `schema.table.column type`, for tests. */
export function prismaColumns(): string[] {
  const folder = dirname(findMigrations())
  const files = readdirSync(folder).filter((name) => name.endsWith('.prisma'))
  const schema = files.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n')
  return [...schema.matchAll(/^model \w+ \{\n([\s\S]*?)^\}/gm)].flatMap(([, body = '']) => {
    const table = `${/@@schema\("(\w+)"\)/.exec(body)?.[1]}.${/@@map\("(\w+)"\)/.exec(body)?.[1]}`
    return [...body.matchAll(/^ {2}(\w+) +(\w+)(\?|\[\]|)(?: +(.*))?$/gm)].flatMap(
      ([, field, type = '', suffix, rest = '']) => {
        if (!TYPES[type]) return []
        const name = /@map\("(\w+)"\)/.exec(rest)?.[1] ?? field
        const stored = `${suffix === '[]' ? '_' : ''}${TYPES[/@db\.(?:SmallInt|Real|Uuid|Date|Inet)/.exec(rest)?.[0] ?? type]}`
        const isOptional = suffix === '?' ? '?' : ''
        return [`${table}.${name} ${stored}${isOptional}${rest.includes('@default(') ? ' default' : ''}`]
      },
    )
  })
}
