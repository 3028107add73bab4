import type { z } from 'zod'

/** A value of a parameter, and of a cell after the driver has read it. */
export type ParameterValue = string | number | Date | undefined

/** A question of a hospital that is asked again and again: what it needs, the statement, and who may ask. */
export interface Report {
  /** As the data model counts them, for example `AS01`. */
  readonly id: string
  /** What it is run by. */
  readonly name: string
  readonly title: string
  readonly question: string
  /** Parameters by name; each says in its description what it takes. */
  readonly parameters: z.ZodObject
  /** Columns in their order, and what each holds. */
  readonly columns: Readonly<Record<string, string>>
  /**
   * The statement, with `{name}` where a parameter stands, in the order in which rows are wanted: a limit is put after it.
   * It filters no tenant and no facility: row security and the views do.
   */
  readonly sql: string
  /** The least that lets an account run it. */
  readonly permission: string
  /** The least of the usual roles that has it. */
  readonly role: string
  /** Of more rows than this the first are given, and it is said. */
  readonly maxRows: number
  /** The index or view that makes it fast. */
  readonly reliesOn: string
}

/** A report with its parameters put in. */
export interface Statement {
  readonly text: string
  readonly values: readonly ParameterValue[]
}

/** @param input parsed by the report's own schema */
export function statementOf(
  report: Report,
  input: Readonly<Record<string, ParameterValue>>,
  maxRows: number,
): Statement {
  const values: ParameterValue[] = []
  const places = new Map<string, number>()
  const text = report.sql.replaceAll(/\{([a-z]\w*)\}/g, (_whole, name: string) => {
    const known = places.get(name) ?? values.push(input[name])
    places.set(name, known)
    return `$${known}`
  })
  return { text: `${text}\nlimit ${maxRows}`, values }
}
