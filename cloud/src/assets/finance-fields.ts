import { z } from 'zod'

import { text } from './asset-input.ts'
import { currency, day, money } from './service-input.ts'
import { DEPRECIATION_METHODS, DISPOSAL_WAYS, FUNDINGS, PRIORITIES } from './service-lists.ts'

/** What an asset costs, every amount in minor units of its one currency. `null` takes a value away. */
export const financeFields = {
  currency,
  purchase_cost: money.nullable(),
  purchased_on: day.nullable(),
  order_no: text(100).nullable(),
  invoice_no: text(100).nullable(),
  supplier_id: z.uuid().nullable(),
  funding: z.enum(FUNDINGS).nullable(),
  grant_no: text(100).nullable(),
  cost_center: text(100).nullable(),
  gl_account: text(100).nullable(),
  is_capitalised: z.boolean().nullable(),
  in_service_on: day.nullable(),
  depreciation_method: z.enum(DEPRECIATION_METHODS),
  life_months: z.int().min(1).max(1200).nullable(),
  salvage: money,
  /** Of the declining balance: thousandths of the book value a year. */
  declining_permille: z.int().min(1).max(1000).nullable(),
  replacement_cost: money.nullable(),
  lessor_id: z.uuid().nullable(),
  lease_from: day.nullable(),
  lease_until: day.nullable(),
  lease_month_cost: money.nullable(),
  rental_day_cost: money.nullable(),
  insured_value: money.nullable(),
  policy_no: text(100).nullable(),
  downtime_hour_cost: z.int().min(0).max(9_000_000_000_000).nullable(),
  disposed_on: day.nullable(),
  disposal_way: z.enum(DISPOSAL_WAYS).nullable(),
  proceeds: money.nullable(),
  budget_year: z.int().min(1990).max(2200).nullable(),
  replacement_priority: z.enum(PRIORITIES).nullable(),
}
