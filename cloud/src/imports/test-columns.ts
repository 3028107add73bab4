import type { Column } from './column.ts'
import { HISTORY_COLUMNS } from './history-file.ts'
import { IMPORT_KINDS } from './lists.ts'
import { columnsOf } from './registry-import.ts'

/** For tests: the columns of every kind as tables in Markdown, as the guide has them. */
export function columnTables(): string {
  return IMPORT_KINDS.map((kind) => {
    const columns = kind === 'history' ? HISTORY_COLUMNS : columnsOf(kind)
    const rows = columns.map(rowOf)
    const attrs = kind === 'assets' ? ['| `attr.<key>` | | by its attribute | further field of its category |'] : []
    return [
      `### ${kind}`,
      '',
      '| Column | Also called | Must be | Meaning |',
      '|---|---|---|---|',
      ...rows,
      ...attrs,
    ].join('\n')
  }).join('\n\n')
}

function rowOf({ name, aliases = [], type, required, about }: Column): string {
  const also = aliases.map((alias) => `\`${alias}\``).join(', ')
  // A list of values stands with its meaning or here, not twice.
  const values = type.words.startsWith('one of ') ? type.words.slice('one of '.length).split(', ') : []
  const isSaid = values.length > 0 && values.every((value) => about.includes(`\`${value}\``))
  const words = isSaid ? 'one of these' : type.words
  return `| \`${name}\`${required ? ' (needed)' : ''} | ${also} | ${words.replaceAll('|', '\\|')} | ${about} |`
}
