/** Longest text value taken from a line, characters. */
const MAX_TEXT = 512

/** A member of a JSON value by its path, as text; undefined when it is not there. Lists are gone into by index. */
export function memberOf(json: unknown, path: string): string | undefined {
  let value: unknown = json
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Readonly<Record<string, unknown>>)[name]
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}

/** What a text of a line says, in the way asked for; undefined when it is not that. */
export function columnValue(text: string, as: 'text' | 'hex' | 'number'): string | number | undefined {
  const trimmed = text.trim()
  if (trimmed.length > MAX_TEXT) return undefined
  if (as === 'text') return trimmed
  if (as === 'hex') {
    const digits = trimmed.replace(/[\s:-]/g, '').toUpperCase()
    return /^([0-9A-F]{2})+$/.test(digits) ? digits : undefined
  }
  const number = trimmed === '' ? Number.NaN : Number(trimmed)
  return Number.isFinite(number) ? number : undefined
}
