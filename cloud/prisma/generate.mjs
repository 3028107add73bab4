/**
 * Generates the Prisma client into cloud/src/generated, or with --validate only checks the schema.
 *
 * Prisma's command line wants to download a schema engine before it does anything, although neither of these commands
 * runs it. Naming some other program as that engine keeps the download away, so a clone without a way to Prisma's
 * servers works too. Never set the variable for `prisma migrate`: it would run that program and report success.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const command = process.argv.includes('--validate') ? 'validate' : 'generate'

function findPrisma() {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('prisma/package.json')), 'build', 'index.js')
  } catch {
    return undefined
  }
}

const prisma = findPrisma()
if (prisma === undefined) {
  // An install without development packages runs the built bundle, which holds the client already.
  process.stdout.write(`prisma ${command} left out: the prisma package is not installed\n`)
} else {
  const result = spawnSync(process.execPath, [prisma, command, '--schema', here], {
    cwd: dirname(here),
    encoding: 'utf8',
    env: {
      ...process.env,
      PRISMA_SCHEMA_ENGINE_BINARY: ['/usr/bin/true', '/bin/true'].find((path) => existsSync(path)) ?? process.execPath,
      CHECKPOINT_DISABLE: '1',
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
    },
  })
  if (result.status !== 0) {
    const said = `${result.error?.message ?? ''}\n${result.stdout ?? ''}\n${result.stderr ?? ''}`.trim()
    process.stderr.write(`prisma ${command} failed (cloud/prisma/generate.mjs):\n${said}\n`)
    process.exitCode = 1
  } else if (command === 'validate') {
    process.stdout.write('cloud/prisma/*.prisma are valid\n')
  }
}
