import { findReport, REPORTS, summaryOf } from './catalogue.ts'
import { csvOf, textOf } from './csv.ts'
import { runReport } from './run-report.ts'
import {
  acknowledgeAlert,
  addAlertRule,
  endAlertRule,
  endParLevel,
  listAlertRules,
  setParLevel,
} from './watch-rules.ts'

/** All that commands and routes ask of reports, and of what raises alerts. */
export const reportDesk = {
  list: () => REPORTS.map(summaryOf),
  find: (name: string) => summaryOf(findReport(name)),
  run: runReport,
  csvOf,
  textOf,
  setParLevel,
  endParLevel,
  addAlertRule,
  endAlertRule,
  listAlertRules,
  acknowledgeAlert,
}
