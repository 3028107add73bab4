import type { Command } from 'commander'

import { type LintFinding, lintSiteMap } from '../calibrate.ts'
import { openSite, type SiteOptions, withSite } from './calibrate-site.ts'

interface LintOptions extends SiteOptions {
  readonly json: boolean
  readonly strict: boolean
}

const NEEDS_ATTENTION = 3
const MARKS = { error: 'ERROR', warning: 'WARN ', note: 'note ' } as const

/** `biotrakr calibrate lint`: why a room will never win, before anybody walks. */
export function addLintCommand(calibrate: Command, exitWith: (code: number) => void): void {
  const command = calibrate
    .command('lint')
    .description('check the site map with its calibration: why a room will not be found, or not for certain')
    .option('--strict', 'end with exit code 3 for warnings, too', false)
    .option('--json', 'one JSON array instead of plain lines', false)
    .action((options: LintOptions) => {
      const findings = lint(options)
      process.stdout.write(options.json ? `${JSON.stringify(findings)}\n` : lintLines(findings))
      const counted = options.strict ? ['error', 'warning'] : ['error']
      if (findings.some(({ severity }) => counted.includes(severity))) exitWith(NEEDS_ATTENTION)
    })
  withSite(command)
}

function lint(options: LintOptions): readonly LintFinding[] {
  const { map, store } = openSite(options)
  const survey = store.current()?.survey ?? map.survey
  return lintSiteMap(survey ? { ...map, survey } : map)
}

function lintLines(findings: readonly LintFinding[]): string {
  if (findings.length === 0) return 'Nothing is wrong with the site map.\n'
  return findings
    .map(({ severity, path, what, fix, code }) => `${MARKS[severity]} ${path}: ${what} [${code}]\n      -> ${fix}\n`)
    .join('')
}
