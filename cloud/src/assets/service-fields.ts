import { z } from 'zod'

import { longText, text } from './asset-input.ts'
import { day } from './service-input.ts'
import { HOURS_SOURCES, STRATEGIES } from './service-lists.ts'

const count = z.int().min(0).max(9_000_000_000_000_000)
const months = z.int().min(1).max(1200)

/** How an asset is kept in order. `null` takes a value away. */
export const serviceFields = {
  strategy: z.enum(STRATEGIES),
  pm_plan_id: z.uuid().nullable(),
  /** Days from one maintenance to the next; those of the plan where there is none. */
  pm_days: z.int().min(1).max(3660).nullable(),
  /** Operating hours from one maintenance to the next; those of the plan where there is none. */
  pm_hours: z.int().min(1).max(1_000_000).nullable(),
  /** Days after the due one before a work order is opened. */
  pm_grace_days: z.int().min(0).max(365),
  last_pm_on: day.nullable(),
  /** Operating minutes at the last maintenance. */
  last_pm_minutes: count,
  next_pm_on: day.nullable(),
  operating_minutes: count,
  hours_source: z.enum(HOURS_SOURCES).nullable(),
  cycles: count.nullable(),
  service_vendor_id: z.uuid().nullable(),
  contract_id: z.uuid().nullable(),
  warranty_from: day.nullable(),
  warranty_until: day.nullable(),
  response_hours: z.int().min(1).max(8760).nullable(),
  expected_life_months: months.nullable(),
  end_of_life_on: day.nullable(),
  end_of_support_on: day.nullable(),
  replacement_for: z.uuid().nullable(),
  loaner_for: z.uuid().nullable(),
  cmms_ref: text(200).nullable(),
  service_note: longText(4000).nullable(),
}
