import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { ClientBase } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { REPORTS } from './catalogue.ts'
import { csvOf } from './csv.ts'
import { type Report, statementOf } from './definition.ts'
import { reportGuide } from './guide.ts'
import { LIMIT_SENSORS, RULE_KINDS, SEVERITIES } from './lists.ts'
import { scoreRisks } from './risk-job.ts'
import { parametersOf, type ReportResult, runReport } from './run-report.ts'
import { askedOf, createTestWard, type TestWard, type WardScope } from './test-ward.ts'
import { watch } from './watch-job.ts'
import {
  acknowledgeAlert,
  addAlertRule,
  endAlertRule,
  endParLevel,
  listAlertRules,
  setParLevel,
} from './watch-rules.ts'

const ASSETS = 50_000
const HOUR = 3_600_000
const now = Date.now()
const time = (hours: number) => new Date(now + hours * HOUR).toISOString()

const asked = (report: Report) => askedOf(report.id)

let ward: TestWard
beforeAll(async () => {
  ward = await createTestWard(ASSETS)
  await ward.as(async (client) => {
    await setParLevel(client, { facility: 'north', zone: 'stock', category: 'c1', low: 100_000 })
    const limit = { facility: 'north', kind: 'sensor_limit', name: 'Fridge', zone: 'cold', sensor: 'temperature' }
    await addAlertRule(client, { ...limit, severity: 'critical', low: 2, high: 8 })
    await addAlertRule(client, { facility: 'north', kind: 'missing', name: 'Pumps', category: 'c7', minutes: 120 })
  })
  // While the fridge was warm, and when the readings were fine again.
  await ward.asJob((client) => watch(client, 1, now - 15 * 60_000))
  await ward.asJob((client) => scoreRisks(client, 1, now))
}, 120_000)
afterAll(() => ward.stop())

const run = (id: string, given: object = askedOf(id), scope?: WardScope): Promise<ReportResult> =>
  ward.as((client) => runReport(client, id, given), scope)

describe('every report', () => {
  it('is one of the 25', () => {
    expect(REPORTS.map(({ id }) => id).sort()).toEqual(
      (
        'AL01 AL05 AL06 AS01 AS03 AS05 AS06 CO02 CO05 CO06 CO07 LO01 LO02 LO03 LO04 LO05 LO06 MA01 MA02 PR01 PR02 ' +
        'UT01 UT02 UT03 UT06'
      ).split(' '),
    )
    expect(new Set(REPORTS.map(({ name }) => name)).size).toBe(25)
  })

  it('is in the guide as it is defined', () => {
    const written = readFileSync(join(import.meta.dirname, '../../../docs/reports.md'), 'utf8')
    expect(written).toBe(reportGuide())
  })

  it.each(REPORTS)('$id has an answer with the columns that it names, within its limit', async (report) => {
    const { rows, columns, maxRows } = await run(report.id)
    expect(rows.length).toBeGreaterThan(0)
    expect(rows.length).toBeLessThanOrEqual(maxRows)
    expect(Object.keys(rows[0] ?? {})).toEqual(columns)
  })

  it.each(REPORTS)('$id shows another organisation nothing of it', async (report) => {
    const foreign = await ward.as((client) => rawRows(client, report), { org: 2 })
    expect(foreign.filter((row) => /north|south|"[NS]\d+"|ble:[cd]3|Syringe/.test(JSON.stringify(row)))).toEqual([])
    // Nothing at all where every name is of the first organisation, or where the second has no such rows.
    if (!['AS05', 'LO01', 'LO02', 'LO04', 'UT01', 'UT02', 'UT03', 'AL06', 'PR02'].includes(report.id)) {
      expect(foreign).toEqual([])
    }
  })

  it.each(REPORTS)('$id shows nobody but who has a facility in reach anything', async (report) => {
    expect(await ward.as((client) => rawRows(client, report), { facilities: '' })).toEqual([])
  })

  it.each(REPORTS)('$id shows whoever reaches the south nothing of the north', async (report) => {
    const rows = await ward.as((client) => rawRows(client, report), { facilities: '{2}' })
    const northern = rows.filter((row) => /north|"N\d+"|"N\d+ |"A-\d*[1-9]"/.test(JSON.stringify(row)))
    expect(northern).toEqual([])
  })

  it.each(REPORTS)('$id reads no history and not the register from end to end', async (report) => {
    const plan = await ward.as((client) => planOf(client, report))
    const scanned = [...plan.matchAll(/Seq Scan on (?:\w+\.)?(\w+)/g)].map(([, table]) => table)
    const forbidden = /^(?:location_history|stay|sensor_reading|receiver_health|tag_day|usage_\w+|asset|event_\w+)$/
    expect(
      scanned.filter((table) => forbidden.test(table ?? '')),
      plan,
    ).toEqual([])
  })
})

/** Without the check of names, as if a caller knew them all. */
async function rawRows(client: ClientBase, report: Report): Promise<unknown[]> {
  const { text, values } = statementOf(report, parametersOf(report, asked(report)), report.maxRows)
  return (await client.query(text, [...values])).rows
}

async function planOf(client: ClientBase, report: Report): Promise<string> {
  const { text, values } = statementOf(report, parametersOf(report, asked(report)), report.maxRows + 1)
  const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain ${text}`, [...values])
  return rows.map((row) => row['QUERY PLAN']).join('\n')
}

describe('what reports say', () => {
  const first = async (id: string, given?: object) => (await run(id, given)).rows[0]

  it('of the register: by code, by misspelt words, by pages', async () => {
    expect((await run('AS01')).rows.map(({ asset }) => asset)).toEqual(['A-7'])
    expect((await run('AS01', { code: 'SN' })).rows).toEqual([])
    const { rows } = await run('AS03', { text: 'syrnge pump' })
    expect(rows[0]).toMatchObject({ meant: 'syringe pump' })
    const page = await run('AS05', { facility: 'south', category: 'c10' })
    expect(page.truncated).toBe(true)
    const next = await run('AS05', { facility: 'south', category: 'c10', after: String(page.rows.at(-1)?.['asset']) })
    expect(next.rows).toHaveLength(250)
    expect(page.rows).toHaveLength(1_000)
  })

  it('of the nearest: free ones, the fewest doors away first', async () => {
    const { rows } = await run('AS06')
    // Of this category there are some in every fourth room: 7 + 40 i is in the room 1 + (7 + 40 i) % 60.
    expect(rows[0]).toMatchObject({ room: 'N8', doors: 7 })
  })

  it('of places, now and then', async () => {
    expect(await first('LO01')).toMatchObject({ room: 'N8', method: 'BLE', reason: 'none', confidence: 900 })
    const { rows } = await run('LO02')
    expect(rows.map(({ room, minutes }) => [room, minutes])).toEqual([1, 2, 3].map(() => ['N8', 50]))
    expect((await run('LO03')).rows.map(({ asset }) => asset)).toContain('A-7')
    expect(new Set((await run('LO03')).rows.map(({ room }) => room))).toEqual(new Set(['N8']))
    expect(new Set((await run('LO03', { facility: 'north', zone: 'stock' })).rows.map(({ room }) => room))).toEqual(
      new Set(['N2', 'N3']),
    )
    expect(await first('LO04')).toMatchObject({ room: 'N8', method: 'BLE' })
    expect((await run('LO05')).rows).toHaveLength(ASSETS * 0.9)
    const { rows: unseen } = await run('LO06')
    expect(unseen).toHaveLength(ASSETS / 500)
    expect(unseen.find(({ asset }) => asset === 'A-7')).toMatchObject({
      last_room: 'N8',
      likely: 'out of range',
    })
  })

  it('of maintenance and of what fails', async () => {
    const { rows } = await run('MA01', { days: '1' })
    expect(rows[0]).toMatchObject({ days_over: 6 })
    expect((await run('MA02')).rows).toMatchObject([{ number: 7, priority: 'urgent', asset: 'A-7', age_days: 5 }])
    const risk = await first('PR01')
    expect(risk).toMatchObject({ failures: 150, asset: 'A-7', repairs: 50 })
    const parts = ['failures', 'overdue', 'age', 'worn', 'repairs'].map((part) => Number(risk?.[part]))
    expect(risk?.['score']).toBe(parts.reduce((sum, part) => sum + part, 0))
    expect((await run('PR02', { category: 'c7' })).rows).toMatchObject([
      { category: 'c7', assets: ASSETS / 40, failures: 250, mttr_hours: 6, availability: 1000 },
    ])
  })

  it('of certificates, recalls and the audit chain', async () => {
    expect(await first('CO02', { days: '1' })).toMatchObject({ days_left: -5, kind: 'electrical' })
    const recall = await run('CO05')
    expect(recall.rows).toHaveLength(ASSETS / 1_000)
    expect(recall.rows.find(({ asset }) => asset === 'A-7')).toMatchObject({ state: 'suspect', now_in: 'north N8' })
    expect((await run('CO07')).rows).toHaveLength(5)
    expect(await first('CO07')).toMatchObject({ actor: 'test', fields: null, kind: 'access' })
  })

  it('of use', async () => {
    // Half of those heard move a tenth of the time.
    expect(await first('UT01', { category: 'c10' })).toMatchObject({ moving: 100, still: 900, unknown: 0 })
    expect(await first('UT02', { category: 'c10', facility: 'south' })).toMatchObject({ minutes_a_visit: 60 })
    expect((await run('UT03', { category: 'c7' })).rows[0]).toMatchObject({ moved_minutes: 0, heard: null })
    expect(await first('UT06')).toMatchObject({ zone: 'stock', category: 'c1', state: 'below', low: 100_000 })
  })

  it('of tags and gateways', async () => {
    const { rows } = await run('AL05')
    expect(rows.filter(({ why }) => why === 'battery')).toHaveLength(ASSETS / 1_000)
    const gateways = (await run('AL06', { facility: 'north' })).rows
    expect(gateways[0]).toMatchObject({ gateway: 'gw-1', missing: '10', receivers: 3, up: 1, down: 1, unreported: 1 })
  })

  it('when they are asked wrongly', async () => {
    await expect(run('AS99')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(run('LO01', { asset: 'A-0' })).rejects.toThrow('there is no such asset')
    await expect(run('LO01', { asset: 'A-7', colour: 'red' })).rejects.toThrow('colour')
    await expect(run('LO02', { asset: 'A-7', from: time(0), to: time(-1) })).rejects.toThrow('after `from`')
    await expect(run('LO02', { asset: 'A-7', from: time(-10_000), to: time(0) })).rejects.toThrow('400 days')
    await expect(run('LO04', { asset: 'A-7', at: '2026-01-01 10:00' })).rejects.toThrow('zone')
  })

  it('says that there was more', async () => {
    expect(await run('AS05')).toMatchObject({ truncated: true, maxRows: 1_000 })
    expect((await run('LO01')).truncated).toBe(false)
  })
})

describe('alerts', () => {
  it('rise from what was measured, are acknowledged, and end when it is well again', async () => {
    const fridge = async () => (await run('AL01', {})).rows.find(({ rule }) => rule === 'Fridge')
    const before = await fridge()
    expect(before).toMatchObject({ severity: 'critical', state: 'open', room: 'N1' })
    const ack = await ward.as((client) => acknowledgeAlert(client, { id: before?.['alert'], note: 'door was open' }))
    expect(ack).toMatchObject({ state: 'acknowledged', acknowledgedBy: 'test' })
    await ward.asJob((client) => watch(client, 1, now))
    expect(await fridge()).toBeUndefined()
    await expect(ward.as((client) => acknowledgeAlert(client, { id: before?.['alert'] }))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    expect((await run('CO06')).rows).toMatchObject([
      { rule: 'Fridge', readings: 3, minutes: 15, highest: 9.5, confirmed_by: 'test', note: 'door was open' },
    ])
  })

  it('of a sensor say nothing of the time in which a patient wore it', async () => {
    const owner = ward.database.ownerClient
    // As a superuser of this test, past the keys and the consent of a patient.
    await owner.query(
      `begin; set local session_replication_role = replica;
       insert into rtls.tag_assignment (id, org_id, tag_id, patient_id, from_t)
         select gen_random_uuid(), 1, id, gen_random_uuid(), now() - interval '1 day' from rtls.tag
         where identity = 'ble:d30000000001';
       commit`,
    )
    expect((await run('CO06')).rows).toEqual([])
    await owner.query('delete from rtls.tag_assignment where patient_id is not null')
    expect((await run('CO06')).rows).toHaveLength(1)
  })

  it('of what is missing end when it is heard again, or when the rule ends', async () => {
    const missing = async () => (await run('AL01', {})).rows.filter(({ kind }) => kind === 'missing')
    // Of this category those whose number leaves 7 by 500: every fifth such is in it.
    expect((await missing()).map(({ asset }) => asset)).toContain('A-7')
    await ward.database.ownerClient.query(`update rtls.position set t = now() where tag_id = 7`)
    await ward.asJob((client) => watch(client, 1, now))
    expect((await missing()).map(({ asset }) => asset)).not.toContain('A-7')
    const rules = await ward.as(listAlertRules)
    expect(rules.map(({ name, low, high, minutes }) => [name, low, high, minutes])).toEqual([
      ['Fridge', 2, 8, null],
      ['Pumps', null, null, 120],
    ])
    await ward.as((client) => endAlertRule(client, { id: rules[1]?.id }))
    await ward.asJob((client) => watch(client, 1, now))
    expect(await missing()).toEqual([])
  })

  it('and par levels refuse what makes no sense', async () => {
    const wrong = (work: (client: ClientBase) => Promise<unknown>) => expect(ward.as(work)).rejects
    const par = { facility: 'north', zone: 'stock', category: 'c1', low: 5 }
    await wrong((client) => setParLevel(client, { ...par, high: 4 })).toThrow('must not be below')
    await wrong((client) => setParLevel(client, { ...par, zone: 'empty' })).toThrow('has no rooms')
    await wrong((client) => setParLevel(client, { ...par, facility: 'other' })).toMatchObject({ code: 'NOT_FOUND' })
    const rule = { facility: 'north', kind: 'sensor_limit', name: 'Fridge', zone: 'cold', sensor: 'temperature' }
    await wrong((client) => addAlertRule(client, rule)).toThrow('needs `low` or `high`')
    await wrong((client) => addAlertRule(client, { ...rule, low: 9, high: 8 })).toThrow('must be above')
    await wrong((client) => addAlertRule(client, { ...rule, low: 1 })).toMatchObject({ code: 'CONFLICT' })
  })

  it('say how a par level stands and since when', async () => {
    const { id } = await ward.as((client) =>
      setParLevel(client, { facility: 'north', zone: 'stock', category: 'c1', low: 1, high: 100_000 }),
    )
    await ward.asJob((client) => watch(client, 1, now))
    expect((await run('UT06')).rows).toMatchObject([{ state: 'within', since: new Date(now), low: 1 }])
    await ward.as((client) => endParLevel(client, { id }))
    expect((await run('UT06')).rows).toEqual([])
  })

  it('are kept from other organisations and facilities', async () => {
    for (const scope of [{ org: 2 }, { facilities: '{2}' }]) {
      for (const table of ['rtls.alert', 'rtls.alert_rule', 'rtls.par_level']) {
        expect((await ward.as((client) => client.query(`select from ${table}`), scope)).rowCount).toBe(0)
      }
    }
    const south = await ward.as((client) => client.query('select distinct facility_id from asset.risk_score'), {
      facilities: '{2}',
    })
    expect(south.rows).toEqual([{ facility_id: 2 }])
  })
})

describe('the checks of the database', () => {
  it('hold the lists of the code', async () => {
    const listOf = async (column: string) => {
      const { rows } = await ward.database.ownerClient.query(
        `select pg_get_constraintdef(oid) as text from pg_constraint where conname = $1`,
        [`alert_rule_${column}_check`],
      )
      return [...String(rows[0]?.text).matchAll(/'(\w+)'::text/g)].map(([, value]) => value)
    }
    expect(await listOf('kind')).toEqual([...RULE_KINDS])
    expect(await listOf('severity')).toEqual([...SEVERITIES])
    expect(await listOf('sensor')).toEqual([...LIMIT_SENSORS])
  })
})

describe('CSV', () => {
  it('disarms formulas and quotes what needs it', () => {
    const report = { id: 'X', name: 'x', title: 'X', columns: ['a', 'b'], truncated: false, maxRows: 1 }
    const rows = [
      { a: '=1+1', b: -5 },
      { a: 'say "yes", twice', b: null },
      { a: new Date(0), b: '@x' },
    ]
    expect(csvOf({ ...report, rows })).toBe(
      `a,b\r\n'=1+1,-5\r\n"say ""yes"", twice",\r\n1970-01-01T00:00:00.000Z,'@x\r\n`,
    )
  })
})
