import type { Column, Row } from './column.ts'
import type { FindingCode } from './findings.ts'
import type { ImportKind } from './lists.ts'

/** What a column may name, by the key under which it is looked up. */
export type Named = 'facility' | 'department' | 'room' | 'floor' | 'gateway' | 'category' | 'tag' | 'asset'

/** A column of a file and the column of the table that it becomes. */
export interface RegistryColumn extends Column {
  /** Of the table; the same name when it is left out. */
  readonly db?: string
  readonly sql: 'text' | 'integer' | 'double precision' | 'boolean' | 'date' | 'timestamptz' | 'jsonb' | 'uuid'
  /** SQL of what a new row gets for an empty cell, where the table takes none. */
  readonly fallback?: string
  readonly names?: { readonly what: Named; readonly isOfFacility?: boolean }
  /** Names a row of the same table, perhaps of the same file. */
  readonly isParent?: boolean
}

export interface Standing {
  readonly id: string | number
  readonly key: string
  readonly row_version: number
  readonly parent: string | null
  readonly state: string | null
}

export interface Planned {
  readonly row: Row
  readonly key: string
  /** Of the row that is there already. */
  readonly before: Standing | undefined
  /** By columns of the table; undefined stays as it is. */
  readonly columns: Record<string, unknown>
}

type Complain = (row: Row, problem: { column: string; code: FindingCode; message: string }) => void

export interface RegistryKind {
  readonly kind: ImportKind
  readonly table: string
  readonly columns: readonly RegistryColumn[]
  /** Columns of the file that tell one row from another. */
  readonly key: readonly string[]
  readonly takesAttrs?: boolean
  /** Whether the application makes the ids. */
  readonly makesIds: boolean
  /** `id, key, row_version, parent, state` of what is there; key and parent joined by line feeds. */
  readonly existing: string
  /** What belongs together within a row. */
  readonly check?: (row: Row, complain: Complain, before: Standing | undefined) => void
  /** SQL that notes new rows in the audit chain, of a table without a trigger; $1 = keys. */
  readonly note?: string
  /** Columns of the file in their order; values as PostgreSQL gives them. */
  readonly exported: string
  readonly order: string
}

export const joinKey = (parts: readonly string[]): string => parts.join('\n')
