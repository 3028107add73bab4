import type { Cell, CellType } from './cell-types.ts'

export interface Column {
  readonly name: string
  /** As other systems call it; compared in lower case with _ for everything else. */
  readonly aliases?: readonly string[]
  readonly type: CellType
  readonly required?: boolean
  /** Names a person, so its values are not repeated. */
  readonly personal?: boolean
  /** For the guide. */
  readonly about: string
}

/** A row whose cells are all as they must be, but may name what is not there. */
export interface Row {
  readonly row: number
  /** By columns of the file; null where a cell is empty. */
  readonly values: Readonly<Record<string, Cell>>
  readonly attrs: Readonly<Record<string, string>>
}

/** `Asset Tag` is `asset_tag`. */
export function plainName(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '')
}

export function textIn({ values }: Row, name: string): string | undefined {
  const value = values[name]
  return typeof value === 'string' ? value : undefined
}
