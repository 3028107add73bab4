import { conflict } from './input.ts'

type Words = readonly [message: string, next: string]

/** What a constraint of the database refuses, in words. */
const REFUSALS: Readonly<Record<string, Words>> = {
  tag_assignment_consent: [
    'No consent to be located is in force for this person at that time',
    'Record one first: `biotrakr-cloud consent add`.',
  ],
  tag_assignment_tag: [
    'That tag is worn by somebody or something else then',
    'End that assignment first, or take another tag.',
  ],
  tag_assignment_patient: ['That patient wears another tag then', 'End that assignment first.'],
  tag_assignment_staff: ['That member of staff wears another tag then', 'End that assignment first.'],
  encounter_once: ['That patient is in the house already at that time', 'Discharge first, or transfer to another bed.'],
  bed_once: [
    'Somebody lies in that bed at that time',
    'Take another bed, or transfer or discharge whoever lies there.',
  ],
  stay_once: [
    'That patient lies in another bed at that time',
    'Take a later time; a transfer ends the stay before it.',
  ],
  patient_org_id_label_key: ['Another patient has that label', 'Take another one, or leave it out.'],
  patient_org_id_number_index_key: [
    'Another patient has that record number',
    'Use that patient, or correct the number.',
  ],
  staff_org_id_number_index_key: ['Somebody else has that employee number', 'Use that entry, or correct the number.'],
  round_plan_org_id_facility_id_name_key: [
    'A plan of that name is there already',
    'Take another name, or end that plan.',
  ],
}

/**
 * Runs a statement and says in words what a rule of the database refuses.
 * @throws BioTrakrError CONFLICT, or the driver's error where no known rule refused
 */
export async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const constraint = error instanceof Error && 'constraint' in error ? String(error.constraint) : ''
    const words = REFUSALS[constraint]
    throw words ? conflict(...words) : error
  }
}
