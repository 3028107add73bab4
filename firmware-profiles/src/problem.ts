/** One thing that is wrong with a profile. */
export interface Problem {
  /** Where: `messages[3].fields[0].size`; empty for the whole document. */
  readonly path: string
  readonly message: string
}

/** A JSON pointer as people read it: /messages/3/when becomes messages[3].when. */
export function pathOfPointer(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : joinPath(path, part)), '')
}

export function joinPath(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}
