import type { Command } from 'commander'
import { addDriftCommand } from './calibrate-drift.ts'
import { addFitCommand } from './calibrate-fit.ts'
import { addLintCommand } from './calibrate-lint.ts'
import { addPowerCommand } from './calibrate-power.ts'
import { addReportCommand } from './calibrate-report.ts'
import { addSurveyCommand } from './calibrate-survey.ts'
import { addVersionCommands } from './calibrate-versions.ts'

const EXIT_CODES = `
The way: lint, survey, fit, report; then restart the agent. docs/calibrate.md tells it in one page.

Exit codes:
  0  done
  1  failed; the reason and the next step are on standard error
  2  the command line, the configuration or a file is wrong
  3  done, and something needs attention (lint, drift, power, report --require)`

/** `biotrakr calibrate`: teaches the gateway how its rooms sound, and says how well it knows them. */
export function addCalibrateCommand(biotrakr: Command, exitWith: (code: number) => void): void {
  const calibrate = biotrakr
    .command('calibrate')
    .description('teach this gateway how its rooms sound, and see how well it tells them apart')
    .addHelpText('after', EXIT_CODES)
  addLintCommand(calibrate, exitWith)
  addSurveyCommand(calibrate)
  addFitCommand(calibrate)
  addReportCommand(calibrate, exitWith)
  addDriftCommand(calibrate, exitWith)
  addVersionCommands(calibrate)
  addPowerCommand(calibrate, exitWith)
}
