/** Longest payload there is, in hex with blanks between the bytes, and room for a carriage return. */
const MAX_LINE = 8_192

/**
 * Lines of a stream. A line that is too long is undefined, however long it is: no more than one line is ever held.
 * Empty lines are left out.
 */
export async function* inputLines(
  stream: AsyncIterable<Buffer | string>,
): AsyncGenerator<string | undefined, void, void> {
  let held = ''
  let tooLong = false
  for await (const chunk of stream) {
    const [first = '', ...rest] = chunk.toString().split('\n')
    held += first
    for (const next of rest) {
      if (tooLong || held.length > MAX_LINE) yield undefined
      else if (held.trim() !== '') yield held
      held = next
      tooLong = false
    }
    if (held.length <= MAX_LINE) continue
    held = ''
    tooLong = true
  }
  if (tooLong || held.length > MAX_LINE) yield undefined
  else if (held.trim() !== '') yield held
}
