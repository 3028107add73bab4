import type { ClientBase } from 'pg'

/**
 * Runs scheduled work once for each organisation, each in a transaction of its own: what goes wrong in one does not keep
 * the work from the others.
 * @param client logged in as bt_jobs, in no transaction
 * @returns the sum of what `work` counted
 * @throws what went wrong in the first organisation, after all had their turn
 */
export async function forEachTenant(
  client: ClientBase,
  job: string,
  work: (orgId: number) => Promise<number>,
): Promise<number> {
  const { rows } = await client.query<{ id: number }>(`select id from iam.org order by id`)
  const failures: unknown[] = []
  let total = 0
  for (const { id } of rows) {
    try {
      total += await inTenant(client, { id, job, work })
    } catch (error) {
      await client.query('rollback')
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
  return total
}

interface Turn {
  readonly id: number
  readonly job: string
  readonly work: (orgId: number) => Promise<number>
}

async function inTenant(client: ClientBase, { id, job, work }: Turn): Promise<number> {
  await client.query('begin')
  await client.query(
    `select set_config('app.org', $1, true), set_config('app.facilities', 'all', true), set_config('app.actor', $2, true)`,
    [String(id), `job:${job}`],
  )
  const count = await work(id)
  await client.query('commit')
  return count
}
