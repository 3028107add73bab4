/** A block of a guide between fences. */
interface Block {
  /** Of the fence: yaml, or nothing for commands. */
  readonly language: string
  readonly text: string
  /** The heading above it. */
  readonly section: string
}

/** What a guide in Markdown prints between fences, in its order. */
function printedBlocks(markdown: string): readonly Block[] {
  const blocks: Block[] = []
  let section = ''
  for (const [, heading, language = '', text = ''] of markdown.matchAll(/^#+ (.+)$|^```(\w*)\n([\s\S]*?)^```$/gm)) {
    if (heading === undefined) blocks.push({ language, text, section })
    else section = heading
  }
  return blocks
}

/** The commands of a guide, one by one: blocks without a language. They have to be run all, each at its time. */
export function printedCommands(markdown: string) {
  const blocks = printedBlocks(markdown).filter(({ language }) => language === '')
  const left = blocks.flatMap(({ section, text }) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => ({ section, line })),
  )
  return {
    /** Takes the next ones of a section, up to and with the one that begins so. */
    take(section: string, last: string): readonly string[] {
      const from = left.findIndex((each) => each.section === section)
      const to = left.findIndex((each) => each.section === section && each.line.startsWith(last))
      if (from < 0 || to < from) throw new Error(`the guide does not print "${last}" under "${section}"`)
      return left.splice(from, to - from + 1).map(({ line }) => line)
    },
    /** Those that nobody has taken. */
    left: () => left.map(({ line }) => line),
  }
}

/** The file that a guide prints, which begins with a comment that names it. @returns what is printed */
export function printedFile(markdown: string, name: string): string {
  const block = printedBlocks(markdown).find(({ text }) => text.startsWith(`# ${name}\n`))
  if (block) return block.text
  throw new Error(`the guide prints no ${name}`)
}
