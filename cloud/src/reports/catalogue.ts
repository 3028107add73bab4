import { alertReports } from './alert-reports.ts'
import { assetReports } from './asset-reports.ts'
import { complianceReports } from './compliance-reports.ts'
import type { Report } from './definition.ts'
import { notFound } from './input.ts'
import { locationReports } from './location-reports.ts'
import { serviceReports } from './service-reports.ts'
import { useReports } from './use-reports.ts'

/** All reports, by subject. */
export const REPORTS: readonly Report[] = [
  ...assetReports,
  ...locationReports,
  ...serviceReports,
  ...complianceReports,
  ...useReports,
  ...alertReports,
]

/** @param wish a name or an id, in any case. @throws BioTrakrError NOT_FOUND */
export function findReport(wish: string): Report {
  const lower = wish.toLowerCase()
  const found = REPORTS.find(({ id, name }) => name === lower || id.toLowerCase() === lower)
  if (found) return found
  throw notFound('report', wish)
}

/** What a parameter takes. */
interface ParameterSummary {
  readonly name: string
  readonly takes: string
  readonly required: boolean
  /** What it is without being given. */
  readonly usual: string | number | null
}

export interface ReportSummary extends Omit<Report, 'parameters' | 'sql'> {
  readonly parameters: readonly ParameterSummary[]
}

/** What one needs to know to run it; without the statement. */
export function summaryOf({ parameters, sql: _sql, ...rest }: Report): ReportSummary {
  return {
    ...rest,
    parameters: Object.entries(parameters.shape).map(([name, schema]) => {
      const absent = schema.safeParse(undefined)
      const usual = absent.success && absent.data !== '' ? absent.data : undefined
      return { name, takes: schema.description ?? '', required: !absent.success, usual: usual ?? null }
    }),
  }
}
