import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { createTestImports, clock as fixed, type TestImports } from './imports/test-imports.ts'
import { badRowsFile, importFlows, listJobs, RefusedFile, type RegistryName, showJob } from './imports.ts'
import { systemClock } from './system-clock.ts'

let house: TestImports

beforeAll(async () => {
  house = await createTestImports(importFlows({ ...systemClock, wallMs: fixed.wallMs }))
})
afterAll(() => house.stop())

const lines = (...rows: string[]) => `${rows.join('\n')}\n`

const DEPARTMENTS = lines(
  'facility,code,name,parent,cost_center,phone',
  'main,ICU-A,"Intensive ""A"", ward",ICU,,',
  'main,ICU,Intensive care,,CC-7,+49 30 1',
  'side,ED,"Emergency; night",,,',
)
const ROOMS = lines(
  'facility;building;floor;floor_level;code;name;kind;department;x;y;area_m2;polygon',
  'main;B1;F0;0;R1;Room 1;patient;ICU;-1.5;2;12.25;[[0,0],[4,0],[4,3]]',
  'main;B1;F0;0;R2;Room 2;;;;;;',
  'main;B1;F1;1;R3;Zimmer Ä;corridor;ICU-A;;;;',
)
const CATEGORIES = lines('code,name,parent,gmdn_code', 'syringe,Syringe pumps,pump,13217', 'pump,Pumps,,')
const ASSETS = lines(
  'asset_tag,name,category,facility,department,home_room,manufacturer,serial_no,status,retire_reason,parent,attr.volume,notes',
  "A-1,Pump 1,pump,main,ICU,R1,Braun,S1,,,,120,'=1+1",
  'A-2,Pump 2,syringe,main,,,Braun,S2,retired,worn out,A-1,,"two\nlines; and, more"',
  'A-3,=Pump,pump,side,ED,,,,missing,,,,-5',
)
const TAGS = lines('identity,kind,label,facility', 'ble:c30000000001,ble,One,main', 'ble:c30000000002,,,')
const ASSIGNMENTS = lines(
  'tag,asset_tag,from,to,reason',
  'ble:c30000000001,A-1,2026-03-01T08:00:00Z,2026-04-01T08:00:00+02:00,first',
  'ble:c30000000002,A-1,2026-05-01T08:00:00Z,,',
)
const RECEIVERS = lines(
  'facility,code,kind,gateway,room,x,y,z',
  'main,rx-1,ble_adapter,,R1,1,2,2.5',
  'main,rx-2,lf_exciter,,,,,',
)
const USERS = lines(
  'email,display_name,role,facility',
  'anna@example.org,Anna,nurse,',
  'Ben@example.org,Ben,nurse,main',
)

const FILES: readonly (readonly [RegistryName, string])[] = [
  ['departments', DEPARTMENTS],
  ['rooms', `\uFEFF${ROOMS}`],
  ['categories', CATEGORIES],
  ['assets', ASSETS],
  ['tags', TAGS],
  ['assignments', ASSIGNMENTS],
  ['receivers', RECEIVERS],
  ['users', USERS],
]

async function defineVolume(org: number): Promise<void> {
  await house.database.ownerClient.query(
    `select set_config('app.org', '${org}', false);
     insert into asset.attribute_def (id, org_id, key, name, type) values (gen_random_uuid(), ${org}, 'volume', 'Volume', 'integer')`,
  )
}

describe('files of registries', () => {
  it('are taken whole, each by one job with one entry in the audit chain beside those of its rows', async () => {
    await defineVolume(1)
    for (const [kind, content] of FILES) {
      const report = await house.take(kind, content, { createParents: true })
      expect([kind, report.bad, report.ok]).toEqual([kind, 0, report.total])
    }
    expect(
      await house.column(`select array[kind, rows_ok::text, state] from iam.import_job order by started_at`),
    ).toEqual([
      ['departments', '3', 'done'],
      ['rooms', '3', 'done'],
      ['categories', '2', 'done'],
      ['assets', '3', 'done'],
      ['tags', '2', 'done'],
      ['assignments', '2', 'done'],
      ['receivers', '2', 'done'],
      ['users', '2', 'done'],
    ])
    expect(
      await house.column(`select count(*)::int from audit.event where org_id = 1 and object = 'iam.import_job'`),
    ).toEqual([8])
    expect(
      await house.column(
        `select count(*)::int from audit.event where org_id = 1 and object = 'asset.asset' and action = 'insert'`,
      ),
    ).toEqual([3])
    expect(await house.column(`select notes from asset.asset where org_id = 1 order by asset_tag`)).toEqual([
      '=1+1',
      'two\nlines; and, more',
      '-5',
    ])
    expect(await house.column(`select count(*)::int from iam.invitation where org_id = 1`)).toEqual([2])
    const jobs = await house.org(1).read(listJobs)
    expect(jobs).toHaveLength(8)
    expect(await house.org(2).read(listJobs)).toEqual([])
    await expect(house.org(2).read((client) => showJob(client, jobs[0]?.id ?? ''))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })

  it('come out as they go in: exported, imported into an empty organisation and exported again they are equal', async () => {
    await defineVolume(3)
    for (const [kind] of FILES) {
      const text = await house.text(kind)
      expect(text.split('\r\n').length).toBeGreaterThan(2)
      await house.take(kind, text, { org: 3, createParents: true })
      expect(await house.text(kind, 3)).toBe(text)
    }
  })

  it('are refused a second time, unless that is wanted', async () => {
    await expect(house.take('tags', TAGS)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('was imported already, at '),
    })
    const again = await house.take('tags', TAGS, { force: true, mode: 'skip-existing' })
    expect(again).toMatchObject({ ok: 0, skipped: 2 })
  })

  it('change what is there by upsert and leave what is the same untouched', async () => {
    const text = lines('asset_tag,name,category,facility', 'A-1,Pump one,pump,main', 'A-3,=Pump,pump,side')
    expect(await house.take('assets', text, { mode: 'upsert' })).toMatchObject({ inserted: 0, updated: 1, skipped: 1 })
    expect(
      await house.column(`select name || ' ' || serial_no from asset.asset where org_id = 1 and asset_tag = 'A-1'`),
    ).toEqual(['Pump one S1'])
  })

  it('change nothing in a dry run', async () => {
    const before = await house.column(
      'select (select count(*) from asset.asset) || $$ $$ || (select count(*) from iam.import_job)',
    )
    const text = lines('Asset No,name,category,facility', 'A-9,New,pump,main')
    const report = await house.take('assets', text, { dryRun: true, names: new Map([['Asset No', 'asset_tag']]) })
    expect(report).toMatchObject({ job: null, inserted: 1 })
    expect(
      await house.column('select (select count(*) from asset.asset) || $$ $$ || (select count(*) from iam.import_job)'),
    ).toEqual(before)
  })
})

async function problemOf(work: Promise<unknown>): Promise<{ message: string; errors: unknown[]; error: unknown }> {
  const error: unknown = await work.then(
    () => new Error('it was taken'),
    (reason: unknown) => reason,
  )
  const { message, details } = error as { message: string; details?: { errors?: unknown[] } }
  return { message, errors: details?.errors ?? [], error }
}

const HEAD = 'asset_tag,name,category,facility,manufactured_on,quantity,manufacturer,serial_no,parent'
const asset = (row: string) => lines(HEAD, row)

describe('a file that is wrong', () => {
  it.each([
    ['nothing', '', 'is empty'],
    ['a workbook', 'PK\u0003\u0004....', 'is an archive or a workbook (.xlsx, .ods, .zip), not CSV'],
    ['UTF-16', Buffer.from('\uFEFFasset_tag,name', 'utf16le'), 'is UTF-16, not UTF-8'],
    ['Latin-1', Buffer.from(`${HEAD}\nA-9,Gerät,pump,main,,,,,\n`, 'latin1'), 'is not UTF-8'],
    ['zero bytes', Buffer.from('a\0b'), 'holds zero bytes'],
    ['an unknown column', 'asset_tag,name,category,facility,colour\n', '"colour" is no column'],
    ['a column twice', 'asset_tag,name,category,facility,Asset Tag\n', '"Asset Tag" is there twice (as asset_tag)'],
    ['a missing column', 'asset_tag,category\n', '"name" is missing; "facility" is missing'],
    ['a quote that never ends', `${HEAD}\n"A-9,x\n`, 'a quote is never closed'],
    ['too few cells', `${HEAD}\nA-9,x\n`, 'row 2 has 2 cells, the header 9'],
  ])('says in words that it is: %s', async (_what, content, words) => {
    const { message, error } = await problemOf(house.take('assets', content))
    expect(message).toContain(words)
    expect(error).toMatchObject({ code: 'INPUT_INVALID' })
  })

  it.each([
    [
      'a date of another country',
      asset('A-9,x,pump,main,31.03.2026,,,,'),
      'manufactured_on: FORMAT must be a date such as 2026-03-31',
    ],
    ['a day that never was', asset('A-9,x,pump,main,2026-02-30,,,,'), 'manufactured_on: RANGE must be a date'],
    [
      'a number out of range',
      asset('A-9,x,pump,main,,0,,,'),
      'quantity: RANGE must be a whole number from 1 to 1000000 (is "0")',
    ],
    ['an empty cell', asset('A-9,,pump,main,,,,,'), 'name: MISSING'],
    [
      'what is too long',
      asset(`${'x'.repeat(65)},x,pump,main,,,,,`),
      'asset_tag: TOO_LONG must be a text of at most 64',
    ],
    [
      'a row twice',
      lines(HEAD, 'A-9,x,pump,main,,,,,', 'A-9,x,pump,main,,,,,'),
      'row 3, asset_tag: DUPLICATE_IN_FILE is in row 2 already',
    ],
    ['what is there', asset('A-1,x,pump,main,,,,,'), 'asset_tag: EXISTS is there already; --mode upsert changes it'],
    [
      'another maker’s number',
      asset('A-9,x,pump,main,,,Braun,S1,'),
      'serial_no: CONFLICT is that of asset A-1 of the same maker already',
    ],
    [
      'what is nowhere',
      asset('A-9,x,tank,main,,,,,'),
      'category: UNKNOWN_REF must name a category that is there (is "tank")',
    ],
    [
      'a parent that is nowhere',
      asset('A-9,x,pump,main,,,,,A-8'),
      'parent: UNKNOWN_REF must be there, or in the same file',
    ],
    [
      'assets in a ring',
      lines(HEAD, 'A-8,x,pump,main,,,,,A-9', 'A-9,x,pump,main,,,,,A-8'),
      'parent: CYCLE would lie below itself: A-8 < A-9 < A-8',
    ],
  ])('names the row of: %s', async (_what, content, words) => {
    const before = await house.column('select count(*)::int from asset.asset')
    expect((await problemOf(house.take('assets', content))).message).toContain(words)
    expect(await house.column('select count(*)::int from asset.asset')).toEqual(before)
  })

  it('finds rings among departments and categories, also with what is there', async () => {
    const ring = lines('facility,code,name,parent', 'main,ICU,Intensive care,ICU-A')
    expect((await problemOf(house.take('departments', ring, { mode: 'upsert' }))).message).toContain(
      'parent: CYCLE would lie below itself: ICU < ICU-A < ICU',
    )
    const categories = lines('code,name,parent', 'pump,Pumps,syringe')
    expect((await problemOf(house.take('categories', categories, { mode: 'upsert' }))).message).toContain('CYCLE')
  })

  it('does not see what belongs to another organisation or facility', async () => {
    const foreign = lines('facility,code,kind,gateway,room', 'side,rx-9,ble_adapter,gw-a,R1')
    const { message } = await problemOf(house.take('receivers', foreign))
    expect(message).toContain('gateway: UNKNOWN_REF must name a gateway that is there in facility side (is "gw-a")')
    expect(message).toContain('room: UNKNOWN_REF')
    const other = await problemOf(
      house.take('assignments', lines('tag,asset_tag,from', 'ble:c30000000001,A-1,2026-01-01T00:00:00Z'), { org: 2 }),
    )
    expect(other.message).toContain('tag: UNKNOWN_REF')
    expect(other.message).toContain('asset_tag: UNKNOWN_REF')
  })

  it('names the holder where assignments overlap, in the file and with what is there', async () => {
    const { message } = await problemOf(
      house.take(
        'assignments',
        lines(
          'tag,asset_tag,from,to',
          'ble:c30000000001,A-3,2026-03-10T00:00:00Z,2026-03-11T00:00:00Z',
          'ble:c30000000002,A-3,2026-01-01T00:00:00Z,2026-01-03T00:00:00Z',
          'ble:c30000000001,A-3,2026-01-02T00:00:00Z,2026-01-04T00:00:00Z',
          'ble:c30000000001,A-3,2026-02-02T00:00:00Z,2026-02-01T00:00:00Z',
          'ble:c30000000001,A-3,2027-02-02T00:00:00Z,',
        ),
      ),
    )
    expect(message).toContain(
      'row 2, tag: CONFLICT overlaps: ble:c30000000001 is on A-1 since 2026-03-01T08:00:00.000Z until',
    )
    expect(message).toContain('row 4, asset_tag: CONFLICT overlaps: ble:c30000000002 is on A-3')
    expect(message).toContain('row 5, to: RANGE must be after `from`')
    expect(message).toContain('row 6, from: RANGE must not lie in the future')
  })

  it('refuses a row that somebody else changed meanwhile', async () => {
    const text = lines('asset_tag,name,category,facility,row_version', 'A-3,Pump three,pump,side,7')
    expect((await problemOf(house.take('assets', text, { mode: 'upsert' }))).message).toContain(
      'row_version: ROW_VERSION somebody else changed it meanwhile: its version is 1',
    )
  })

  it('never repeats whom it names', async () => {
    const text = lines('email,display_name,role', 'carla-at-example.org,Carla,nurse', 'anna@example.org,Anna,nurse')
    const { message, errors } = await problemOf(house.take('users', text))
    expect(message).not.toMatch(/carla|anna/i)
    expect(errors).toMatchObject([{ value: 'c***' }, { code: 'EXISTS', value: 'a***' }])
    const job = (await house.org(1).read(listJobs)).find(({ kind, state }) => kind === 'users' && state === 'failed')
    const shown = await house.org(1).read((client) => showJob(client, job?.id ?? ''))
    expect(shown).toMatchObject({
      state: 'failed',
      bad: 2,
      errors: [{ row: 2, column: 'email', code: 'FORMAT', value: 'c***' }, {}],
    })
  })

  it('gives back its bad rows with the reasons, in a form that is taken again once mended', async () => {
    const text = lines('asset_tag,name,category,facility,notes', "A-20,x,pump,main,'=2", "A-21,y,tank,main,'=3")
    const { error } = await problemOf(house.take('assets', text))
    if (!(error instanceof RefusedFile)) throw error
    const bad = badRowsFile(error.bad)
    expect(bad).toBe(
      "asset_tag,name,category,facility,notes,errors\r\nA-21,y,tank,main,'=3,category: UNKNOWN_REF must name a category that is there\r\n",
    )
    expect(await house.take('assets', text, { partial: true })).toMatchObject({ ok: 1, bad: 1 })
    await house.take('assets', bad.replace('tank', 'pump'))
    expect(
      await house.column(`select notes from asset.asset where asset_tag in ('A-20', 'A-21') order by asset_tag`),
    ).toEqual(['=2', '=3'])
  })

  it('leaves nothing behind when it is interrupted while its rows are written', async () => {
    const before = await house.column('select count(*)::int from rtls.tag')
    const broken = {
      ...house.org(1),
      write: (work: Parameters<ReturnType<typeof house.org>['write']>[0]) =>
        house.org(1).write(async (client) => {
          await work(client)
          throw new Error('the power went')
        }),
    }
    const path = house.file('cut.csv', lines('identity', 'ble:c30000000077'))
    const { importRegistry } = await import('./imports.ts')
    const wish = {
      kind: 'tags',
      path,
      mode: 'insert',
      dryRun: false,
      partial: false,
      force: false,
      createParents: false,
      names: new Map(),
    } as const
    const needs = { flows: importFlows(systemClock), nowMs: fixed.wallMs() }
    await expect(importRegistry(broken as ReturnType<typeof house.org>, wish, needs)).rejects.toThrow('the power went')
    expect(await house.column('select count(*)::int from rtls.tag')).toEqual(before)
    expect(await importRegistry(house.org(1), wish, needs)).toMatchObject({ ok: 1 })
  })
})
