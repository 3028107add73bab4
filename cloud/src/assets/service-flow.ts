import type { ClientBase } from 'pg'

/** What a caller sends. Values are as they came: each flow checks its own. */
export interface FlowInput {
  readonly params: Readonly<Record<string, string>>
  readonly query: unknown
  readonly body: unknown
}

/** One thing that can be done over HTTP, within a transaction that says who asks. GET reads, the others write. */
export interface Flow {
  readonly method: 'GET' | 'POST' | 'PATCH'
  readonly path: `/api/v1/${string}`
  /** Code of the permission that it takes. */
  readonly permission: string
  /** Something new comes of it. */
  readonly creates?: true
  run(client: ClientBase, input: FlowInput): Promise<unknown>
}

/** Part of a path, by its name; every route that asks for one has it. */
export const param = ({ params }: FlowInput, name: 'id' | 'asset' = 'id'): string => params[name] ?? ''
