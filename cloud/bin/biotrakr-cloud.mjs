#!/usr/bin/env node
import { existsSync } from 'node:fs'

const program = new URL('../dist/main.js', import.meta.url)
process.setSourceMapsEnabled(true)
if (existsSync(program)) await import(program.href)
else {
  process.stderr.write('biotrakr-cloud is not built yet: run npm run build\n')
  process.exitCode = 1
}
