import type { ClientBase } from 'pg'

/** Something that a gateway, or somebody in its name, should not have done. */
export interface SecurityNote {
  readonly gateway: string
  /** `replay`, or the code of a stray such as `FOREIGN_GATEWAY`. */
  readonly action: string
  readonly what: Readonly<Record<string, unknown>>
}

/**
 * Puts an event of kind `security` into the audit chain of the gateway's organisation, within a transaction of its own.
 * @returns false for a gateway that is not known
 */
export async function writeSecurityNote(client: ClientBase, { gateway, action, what }: SecurityNote): Promise<boolean> {
  await client.query('begin')
  const { rowCount } = await client.query({
    name: 'security-note',
    text: `select audit.append('security', $2, 'site.gateway', g.id::text, g.facility_id, null, $3::jsonb, 'refused')
      from (select id, facility_id, set_config('app.org', org_id::text, true),
          set_config('app.actor', 'gateway:' || name, true) from site.gateway where name = $1 offset 0) as g`,
    values: [gateway, action, JSON.stringify(what)],
  })
  await client.query('commit')
  return rowCount === 1
}

/**
 * Whether a batch that was committed long ago comes from outside: the store of the gateway has since been opened anew and
 * has said so, and an agent sends nothing of an earlier opening that the centre has told it is committed.
 */
export async function isFromEarlierOpening(client: ClientBase, gateway: string, epoch: string): Promise<boolean> {
  const { rowCount } = await client.query({
    name: 'earlier-opening',
    text: `select from rtls.store s join site.gateway g on g.id = s.gateway_id
      where g.name = $1 and s.status = 'active' and s.opening is not null and s.opening <> $2`,
    values: [gateway, epoch],
  })
  return rowCount === 1
}
