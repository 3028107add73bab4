import { databaseAccess } from '../access.ts'
import { applySite, parseSiteFile, withPool } from '../administration.ts'
import { readConfig } from '../config.ts'

interface SiteOptions {
  readonly config: string
  readonly json: boolean
}

/** `biotrakr-cloud site import FILE`: all of the file or nothing. */
export async function importSite(file: string, { config, json }: SiteOptions): Promise<void> {
  const access = databaseAccess(readConfig(config), 'biotrakr-site')
  const site = parseSiteFile(file)
  const result = await withPool(access, (pool) => applySite(pool, site))
  const { created, updated, unchanged } = result
  process.stdout.write(
    json ? `${JSON.stringify(result)}\n` : `${created} created, ${updated} updated, ${unchanged} unchanged\n`,
  )
}
