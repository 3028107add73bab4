import type { Clock } from '@biotrakr/shared'
import type { Pool, PoolClient } from 'pg'

/** Beyond the server's own statement timeout of 30 s: a connection that says nothing for so long is taken for dead. */
const DEADLINE_MS = 60_000

/**
 * Borrows a connection for one piece of work. After a failure it is rolled back, and closed where not even that works,
 * so that a half-open connection cannot hold up everything behind it.
 * @throws what `work` threw
 */
export async function withClient<T>(pool: Pool, clock: Clock, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  // A lost connection fails the running query; without a listener the same error would also end the process.
  const ignore = () => undefined
  client.on('error', ignore)
  const timer = clock.after(DEADLINE_MS, () => client.connection.stream.destroy())
  let broken = false
  try {
    return await work(client)
  } catch (error) {
    broken = await client.query('rollback').then(
      () => false,
      () => true,
    )
    throw error
  } finally {
    timer.cancel()
    client.removeListener('error', ignore)
    client.release(broken)
  }
}
