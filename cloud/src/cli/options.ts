import { type Command, InvalidArgumentError } from 'commander'

/** What every command of an organisation takes. */
export interface Common {
  readonly config: string
  readonly json: boolean
}

/** A command with the configuration of its process and a choice between JSON and plain lines. */
export function commandOf(group: Command, usage: string, description: string): Command {
  return group
    .command(usage)
    .description(description)
    .requiredOption('-c, --config <file>', 'configuration file of this process (YAML)')
    .option('--json', 'one JSON document instead of plain lines', false)
}

export function print(json: boolean, document: unknown, lines: readonly string[]): void {
  process.stdout.write(json ? `${JSON.stringify(document)}\n` : lines.map((line) => `${line}\n`).join(''))
}

export function wholeNumber(text: string): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isNaN(value)) throw new InvalidArgumentError('must be a whole number')
  return value
}
