import type { ClientBase } from 'pg'

import { assignTag, listConsents, recordConsent, removeTags, withdrawConsent } from './consents.ts'
import { admit, discharge, listInpatients, transfer, voidEncounter } from './encounters.ts'
import { erasePerson, leaveStaff } from './erasure.ts'
import type { Vault } from './keyring.ts'
import { locatePerson, readStays, readVitalSigns } from './observations.ts'
import { changePatient, createPatient, findPatient, listPatients, readPatient } from './patients.ts'
import { createRoundPlan, endRoundPlan, listRoundPlans, listRounds } from './rounds.ts'
import { changeStaff, createStaff, findStaff, listStaff, readStaffMember } from './staff.ts'

/** What is asked and done with people, by id and with input as it came. Each checks what it is given. */
export type PeopleDesk = ReturnType<typeof createPeopleDesk>

/** @param vault what opens names and numbers */
export function createPeopleDesk(vault: Vault) {
  return {
    patients: {
      list: (client: ClientBase, query: unknown) => listPatients(client, vault, query),
      show: (client: ClientBase, id: string) => readPatient(client, vault, id),
      find: (client: ClientBase, input: unknown) => findPatient(client, vault, input),
      create: (client: ClientBase, input: unknown) => createPatient(client, vault, input),
      change: (client: ClientBase, id: string, input: unknown) =>
        changePatient(client, vault, { ...fields(input), id }),
      erase: (client: ClientBase, id: string, input: unknown) =>
        erasePerson(client, { table: 'care.patient', id, reason: reasonOf(input) }),
      assignTag: (client: ClientBase, id: string, input: unknown) =>
        assignTag(client, { ...fields(input), patientId: id }),
    },
    staff: {
      list: (client: ClientBase, query: unknown) => listStaff(client, vault, query),
      show: (client: ClientBase, id: string) => readStaffMember(client, vault, id),
      find: (client: ClientBase, input: unknown) => findStaff(client, vault, input),
      create: (client: ClientBase, input: unknown) => createStaff(client, vault, input),
      change: (client: ClientBase, id: string, input: unknown) => changeStaff(client, vault, { ...fields(input), id }),
      erase: (client: ClientBase, id: string, input: unknown) =>
        erasePerson(client, { table: 'care.staff', id, reason: reasonOf(input) }),
      assignTag: (client: ClientBase, id: string, input: unknown) =>
        assignTag(client, { ...fields(input), staffId: id }),
    },
    leave: leaveStaff,
    locate: locatePerson,
    stays: (client: ClientBase, personId: string, query: unknown) => readStays(client, { ...fields(query), personId }),
    removeTags,
    vitalSigns: (client: ClientBase, patientId: string, query: unknown) =>
      readVitalSigns(client, { ...fields(query), patientId }),
    consents: { list: listConsents, record: recordConsent, withdraw: withdrawConsent },
    encounters: {
      inpatients: (client: ClientBase, query: unknown) => listInpatients(client, vault, query),
      admit,
      transfer: (client: ClientBase, id: string, input: unknown) => transfer(client, { ...fields(input), id }),
      discharge: (client: ClientBase, id: string, input: unknown) => discharge(client, { ...fields(input), id }),
      void: voidEncounter,
    },
    rounds: { list: listRounds, plans: listRoundPlans, create: createRoundPlan, end: endRoundPlan },
  }
}

/** What is no object has no fields; what is needed is then missing. */
function fields(input: unknown): object {
  return typeof input === 'object' && input !== null ? input : {}
}

function reasonOf(input: unknown): unknown {
  return 'reason' in fields(input) ? (input as { reason: unknown }).reason : undefined
}
