import { type Column, plainName } from './column.ts'
import { wrongFile } from './findings.ts'

/** Where the value of a column stands. */
interface Mapped {
  readonly column: Column
  readonly at: number
}

interface Mapping {
  readonly columns: readonly Mapped[]
  /** Further fields, `attr.<key>`. */
  readonly attrs: readonly { readonly key: string; readonly at: number }[]
}

interface MapOptions {
  readonly file: string
  readonly columns: readonly Column[]
  readonly takesAttrs: boolean
  /** Names of our columns by names of the file. */
  readonly names: ReadonlyMap<string, string>
}

/** What a file of bad rows has besides. */
const REASONS = 'errors'
const ATTR = /^attr\.([a-z][a-z0-9_]{0,39})$/

/** @throws BioTrakrError INPUT_INVALID that names every column that is unknown, there twice or missing */
export function mapHeader(header: readonly string[], { file, columns, takesAttrs, names }: MapOptions): Mapping {
  const known = new Map(columns.flatMap((column) => [column.name, ...(column.aliases ?? [])].map((n) => [n, column])))
  const troubles: string[] = []
  const found = new Map<string, Mapped>()
  const attrs: { key: string; at: number }[] = []
  header.forEach((said, at) => {
    const name = names.get(said) ?? said
    const attr = takesAttrs ? ATTR.exec(name)?.[1] : undefined
    const column = known.get(plainName(name))
    if (attr !== undefined) attrs.push({ key: attr, at })
    else if (column === undefined && name === REASONS) return
    else if (column === undefined) troubles.push(`"${said}" is no column`)
    else if (found.has(column.name)) troubles.push(`"${said}" is there twice (as ${column.name})`)
    else found.set(column.name, { column, at })
  })
  for (const said of names.keys()) {
    if (!header.includes(said)) troubles.push(`--map names "${said}", which the file does not have`)
  }
  for (const { name, required } of columns) {
    if (required && !found.has(name)) troubles.push(`"${name}" is missing`)
  }
  if (new Set(attrs.map(({ key }) => key)).size < attrs.length) troubles.push('an attribute is there twice')
  if (troubles.length > 0) {
    const more = takesAttrs ? ', and attr.<key>' : ''
    throw wrongFile(
      file,
      `the header is not as it must be: ${troubles.join('; ')}`,
      `Columns are: ${columns.map(({ name }) => name).join(', ')}${more}. Name others with --map "theirs=ours".`,
    )
  }
  return { columns: [...found.values()], attrs }
}
