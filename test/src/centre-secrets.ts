import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

import type pg from 'pg'

import type { Composition } from './composition.ts'
import type { DebianRoot } from './debian-root.ts'

interface Where {
  /** Folder with deploy/local and gw-4-east. */
  readonly folder: string
  readonly composition: Composition
  readonly root: DebianRoot
  readonly image: string
  readonly pool: pg.Pool
}

/**
 * Looks for every secret of a running centre and its gateway where none may be: logs, arguments and environment of all
 * their processes, and what the database keeps and logs of statements.
 * @returns which was found where
 */
export async function whereSecretsAre(where: Where): Promise<string[]> {
  const secrets = secretsOf(where.folder)
  const texts = [...logsOf(where), ...processTexts([where.image, where.root.path]), ...(await statements(where.pool))]
  return texts.flatMap(({ place, text }) => {
    if (text === '') throw new Error(`nothing could be read of ${place}`)
    return secrets.filter(({ secret }) => text.includes(secret)).map(({ name }) => `${name} in ${place}`)
  })
}

function secretsOf(folder: string): { name: string; secret: string }[] {
  const plain = ['deploy/local/secrets', 'gw-4-east'].flatMap((part) =>
    readdirSync(join(folder, part))
      .filter((name) => name !== 'site-key.pem')
      .map((name) => ({ name, secret: readFileSync(join(folder, part, name), 'utf8').trim() })),
  )
  const keys = readdirSync(join(folder, 'deploy/local'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.key'))
    .map((name) => {
      const lines = readFileSync(join(folder, 'deploy/local', name), 'utf8').split('\n')
      // Of a key in PEM the line that no other key shares; the key of backups is one line.
      return { name, secret: lines.at(-3) ?? lines[0] ?? '' }
    })
  const all = [...plain, ...keys]
  if (all.length < 12 || all.some(({ secret }) => secret.length < 16)) throw new Error('secrets are missing')
  return all
}

interface Text {
  readonly place: string
  readonly text: string
}

function logsOf({ composition, root }: Where): Text[] {
  const services = [...composition.processes().keys()]
  const logs = services.map((name) => ({ place: `log of ${name}`, text: composition.log(name) }))
  return [...logs, { place: 'log of the agent', text: readFileSync(root.at('tmp/agent.log'), 'utf8') }]
}

/** Of everything that runs in one of these root file systems. */
function processTexts(roots: readonly string[]): Text[] {
  const texts = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        if (!roots.includes(readlinkSync(`/proc/${pid}/root`))) return []
        const read = (part: string) => readFileSync(`/proc/${pid}/${part}`, 'utf8')
        const [cmdline, environ] = [read('cmdline'), read('environ')]
        return cmdline === '' ? [] : [{ place: `process ${cmdline.replaceAll('\0', ' ')}`, text: cmdline + environ }]
      } catch {
        return []
      }
    })
  for (const program of ['ingest', 'serve', 'enroll', 'mosquitto', 'postgres', 'biotrakr run']) {
    if (!texts.some(({ place }) => place.includes(program))) throw new Error(`${program} does not run`)
  }
  return texts
}

async function statements(pool: pg.Pool): Promise<Text[]> {
  await pool.query('create extension if not exists pg_stat_statements')
  const read = async (place: string, sql: string) => {
    const { rows } = await pool.query<{ text: string }>(sql)
    return { place, text: rows.map(({ text }) => text).join('\n') }
  }
  const known = await read('pg_stat_statements', 'select query as text from pg_stat_statements')
  // It has seen the passwords set, as verifiers.
  if (!/alter role.*password/i.test(known.text)) throw new Error('pg_stat_statements has not seen the logins')
  return [known, await read('pg_stat_activity', `select coalesce(query, '') as text from pg_stat_activity`)]
}
