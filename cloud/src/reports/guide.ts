import { REPORTS, type ReportSummary, summaryOf } from './catalogue.ts'

const HEAD = `# Reports

This page is made from the definitions in \`cloud/src/reports\`; a test compares the two.

    biotrakr-cloud report list --config serve.yaml
    biotrakr-cloud report run where-now --config serve.yaml --param asset=P-1
    biotrakr-cloud report run AL01 --config serve.yaml --csv > alerts.csv

A report goes by its name or its id. \`--param name=value\` may be given many times. On a terminal the answer is a table, on a
pipe one line a row with tabs between; \`--csv\` and \`--json\` say otherwise. In CSV a text that a spreadsheet would run as a
formula has an apostrophe before it. The API has the same: \`GET /api/v1/reports\` and
\`GET /api/v1/reports/where-now?asset=P-1\`.

Row security shows every caller only their organisation and facilities. A report ends after 60 seconds, and gives at most
so many rows as it says; when there were more, \`truncated\` is true and the command says so. Times are in UTC, and to be
given with their zone; a time from one to another is at most 400 days. A name that does not exist is an error, not an
empty answer.

## What some reports need

- \`par-board\`: \`biotrakr-cloud par set --facility F --zone Z --category C --low 2 --high 6\` says how many there should be; the job
  \`alerts\` counts every minute.
- \`open-alerts\` and \`cold-store\`: \`biotrakr-cloud alerts add-rule\` with \`--kind sensor_limit --zone Z --sensor temperature --low 2
  --high 8\` (in units of the sensor), or \`--kind missing --minutes 120\`. The job \`alerts\` raises and resolves every minute,
  from what was measured in the last 15 minutes; what comes later is in \`cold-store\`, but raises nobody.
  \`biotrakr-cloud alerts ack ID --note TEXT\` says that somebody has seen it.
- \`failure-risk\`: the job \`risk\`, every night. The score adds up points that the report shows, so that anybody can follow it;
  it is a rank and not a probability.
- \`stays\`, \`use-share\`, \`dwell\`, \`hardly-used\`: the jobs \`stays\` and \`sums\`. Use is what the motion sensor of a tag says;
  nothing here knows whether a thing is in use while it stands still.
- \`gateways\`: how much of its outbox a gateway has left is not kept here; its own \`biotrakr status\` says that.
`

/** The guide to all reports, as Markdown. */
export function reportGuide(): string {
  return `${HEAD}\n${REPORTS.map((report) => section(summaryOf(report))).join('\n')}`
}

function section(report: ReportSummary): string {
  const { id, name, title, question, permission, role, maxRows, reliesOn, parameters, columns } = report
  const taken = parameters.map(
    (parameter) =>
      `| \`${parameter.name}\` | ${parameter.takes} | ${parameter.required ? 'required' : usualOf(parameter)} |`,
  )
  const given = Object.entries(columns).map(([column, holds]) => `| \`${column}\` | ${holds} |`)
  return [
    `## ${id} ${title}`,
    '',
    question,
    '',
    `\`${name}\`, needs \`${permission}\` (least usual role: ${role}), at most ${maxRows.toLocaleString('en')} rows. Relies on: ${reliesOn}.`,
    '',
    '| parameter | takes | without it |',
    '|---|---|---|',
    ...taken,
    '',
    '| column | holds |',
    '|---|---|',
    ...given,
    '',
  ].join('\n')
}

function usualOf({ usual }: ReportSummary['parameters'][number]): string {
  return usual === null ? 'any' : String(usual)
}
