import { parseUdi } from '@biotrakr/shared'
import { z } from 'zod'

import { invalidInput, text } from './asset-input.ts'
import { day } from './service-input.ts'
import {
  APPLIED_PARTS,
  CYBER_RISKS,
  ELECTRICAL_CLASSES,
  FDA_CLASSES,
  MDR_CLASSES,
  MRI_SAFETIES,
} from './service-lists.ts'

/** What regulation asks to be known of an asset. `null` takes a value away. */
export const regulatoryFields = {
  /** As scanned or typed; DI, PI, lot, serial number and dates are read from it. */
  udi: text(200).nullable(),
  gmdn_code: z
    .string()
    .regex(/^\d{5}$/, 'must be five digits')
    .nullable(),
  product_code: text(100).nullable(),
  fda_class: z.enum(FDA_CLASSES).nullable(),
  mdr_class: z.enum(MDR_CLASSES).nullable(),
  is_ce_marked: z.boolean().nullable(),
  is_rx_only: z.boolean().nullable(),
  is_implantable: z.boolean().nullable(),
  is_single_use: z.boolean().nullable(),
  is_sterile: z.boolean().nullable(),
  mri_safety: z.enum(MRI_SAFETIES).nullable(),
  has_latex: z.boolean().nullable(),
  stores_patient_data: z.boolean().nullable(),
  is_networked: z.boolean().nullable(),
  mac_addresses: z.array(z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, 'must be like 00:1a:2b:3c:4d:5e')).max(16),
  ip_address: z.union([z.ipv4(), z.ipv6()]).nullable(),
  os_name: text(100).nullable(),
  os_support_until: day.nullable(),
  cyber_risk: z.enum(CYBER_RISKS).nullable(),
  electrical_class: z.enum(ELECTRICAL_CLASSES).nullable(),
  applied_part: z.enum(APPLIED_PARTS).nullable(),
  calibration_required: z.boolean(),
  calibration_days: z.int().min(1).max(3660).nullable(),
  last_calibrated_on: day.nullable(),
  next_calibration_on: day.nullable(),
}

/**
 * What a UDI says, in the columns that keep it.
 * @param year in which it is read
 * @throws BioTrakrError INPUT_INVALID
 */
export function udiColumns(udi: string | null | undefined, year: number): Readonly<Record<string, unknown>> {
  if (udi === undefined) return {}
  if (udi === null) return columnsOf(null, {})
  const read = parseUdi(udi, { year })
  if (!read.ok) {
    throw invalidInput([{ pointer: '/udi', code: read.code.toLowerCase(), detail: `is no UDI: ${read.reason}` }])
  }
  return columnsOf(udi, read)
}

interface Parts {
  readonly issuer?: string
  readonly di?: string
  readonly pi?: string
  readonly lot?: string
  readonly serial?: string
  readonly expiresOn?: string
  readonly madeOn?: string
}

function columnsOf(udi: string | null, { issuer, di, pi, lot, serial, expiresOn, madeOn }: Parts) {
  return {
    udi,
    udi_issuer: issuer ?? null,
    udi_di: di ?? null,
    udi_pi: pi || null,
    udi_lot: lot ?? null,
    udi_serial: serial ?? null,
    udi_expires_on: expiresOn ?? null,
    udi_made_on: madeOn ?? null,
  }
}
