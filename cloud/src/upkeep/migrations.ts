import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { BioTrakrError } from '@biotrakr/shared'

export interface Migration {
  readonly name: string
  readonly sql: string
  /** Lower-case hex SHA-256 of the file's bytes, as Prisma records it. */
  readonly checksum: string
}

const FIRST = join('0001_foundation', 'migration.sql')

/**
 * The folder of the migrations: beside the sources, or beside a bundle of this or of another workspace, each of which
 * lies at its own depth below the repository.
 * @throws BioTrakrError MIGRATION_FAILED when it is not there
 */
export function findMigrations(): string {
  const start = dirname(fileURLToPath(import.meta.url))
  for (let folder = start; ; folder = dirname(folder)) {
    for (const parts of [['prisma'], ['cloud', 'prisma']]) {
      const candidate = join(folder, ...parts, 'migrations')
      if (existsSync(join(candidate, FIRST))) return candidate
    }
    if (folder === dirname(folder)) break
  }
  throw new BioTrakrError(`The folder of database migrations was not found above ${start}`, {
    code: 'MIGRATION_FAILED',
    next: 'Install the folder cloud/prisma/migrations beside cloud/dist.',
  })
}

/** @returns the migrations in the order in which they are applied, that of their names */
export function readMigrations(dir: string): Migration[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort()
      .map((name) => {
        const bytes = readFileSync(join(dir, name, 'migration.sql'))
        return { name, sql: bytes.toString('utf8'), checksum: createHash('sha256').update(bytes).digest('hex') }
      })
  } catch (cause) {
    throw new BioTrakrError(`The database migrations in ${dir} cannot be read`, {
      code: 'MIGRATION_FAILED',
      next: 'Restore that folder from the release; every folder in it must hold a migration.sql.',
      cause,
    })
  }
}
