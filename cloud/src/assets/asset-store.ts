import { randomUUID } from 'node:crypto'

import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'
import { z } from 'zod'

import {
  type Asset,
  type AssetWish,
  assetChange,
  ITEM_FIELDS,
  ITEM_JOINS,
  newAsset,
  PLAIN_COLUMNS,
  retirement,
} from './asset-fields.ts'
import { checkInput, deletion, restoration } from './asset-input.ts'
import { RETIRED_STATUSES } from './asset-lists.ts'
import { findReferences, type Standing } from './asset-references.ts'
import { deleteRow, insertRow, type RowKind, refuseWhileUsed, restoreRow, unknownRow, updateRow } from './asset-rows.ts'
import { findAttributes } from './attribute-catalogue.ts'
import { checkAttributes } from './attribute-check.ts'

const ASSET: RowKind = {
  table: 'asset.asset',
  noun: 'asset',
  rules: {
    asset_tag: 'There is a live asset with this tag already',
    asset_serial: 'There is a live asset of this manufacturer with this serial number already',
    asset_cycle: 'An asset cannot belong to itself, nor more than 16 levels deep',
  },
}

const SELECT = `
  select ${ITEM_FIELDS}, a.description, u.code as using_department, r.code as home_room, a.model_id, a.model_no, a.parent_id,
    p.asset_tag as parent, a.lot_no, a.firmware_version, a.software_version, a.manufactured_on::text, a.barcode, a.qr_code,
    a.giai, a.ownership, a.mobility, a.use_state, a.use_state_since, a.hygiene_state, a.hygiene_since,
    a.out_of_service_since, a.missing_since, a.retired_at, a.retire_reason, a.last_confirmed_at, a.last_confirmed_by,
    a.is_accessory, a.is_tracked, a.quantity, a.photo_url, a.notes, a.attrs, a.created_at, a.created_by, a.updated_by,
    a.deleted_by, a.delete_reason
  from asset.asset a ${ITEM_JOINS}
    left join site.department u on u.org_id = a.org_id and u.id = a.using_department_id
    left join site.room r on r.org_id = a.org_id and r.id = a.home_room_id
    left join asset.asset p on p.org_id = a.org_id and p.id = a.parent_id
  where a.org_id = (select iam.current_org())`

/**
 * By id, deleted ones too, or the live one that has this tag.
 * @throws BioTrakrError NOT_FOUND, also for one that this caller may not see
 */
export async function showAsset(client: ClientBase, idOrTag: string): Promise<Asset> {
  const asset = await findAsset(client, idOrTag)
  if (asset === undefined) throw unknownRow(ASSET)
  return asset
}

async function findAsset(client: ClientBase, idOrTag: string): Promise<Asset | undefined> {
  const isId = z.uuid().safeParse(idOrTag).success
  const condition = isId ? 'a.id = $1' : 'a.asset_tag = $1 and a.deleted_at is null'
  return (await client.query<Asset>(`${SELECT} and ${condition}`, [idOrTag])).rows[0]
}

/**
 * A new asset. What is not said of maker, model and attributes comes from its model.
 * @throws BioTrakrError INPUT_INVALID, CONFLICT
 */
export async function createAsset(client: ClientBase, input: unknown): Promise<Asset> {
  const wish = checkInput(newAsset, input)
  const id = randomUUID()
  const { columns, categoryId, model } = await findReferences(client, wish)
  const attrs = checkAttributes({
    before: model?.attrs ?? {},
    patch: wish.attrs ?? {},
    definitions: await findAttributes(client, categoryId),
    checkAll: true,
  })
  await insertRow(client, ASSET, { id, ...model?.texts, ...plainColumns(wish), ...columns, attrs })
  return showAsset(client, id)
}

/**
 * Changes what is named, null takes away; attributes are merged.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, CONFLICT, ROW_VERSION
 */
export async function changeAsset(client: ClientBase, id: string, input: unknown): Promise<Asset> {
  const wish = checkInput(assetChange, input)
  const { status } = await showAsset(client, id)
  if (wish.status !== undefined && isRetired(status)) {
    throw new BioTrakrError(`This asset is ${status}`, { code: 'CONFLICT', next: 'Restore it first.' })
  }
  const before = await standingOf(client, id)
  const { columns, categoryId, model } = await findReferences(client, wish, before)
  const hasMoved = categoryId !== before.category_id
  const isTouched = hasMoved || wish.attrs !== undefined
  const attrs = isTouched
    ? checkAttributes({
        before: before.attrs,
        patch: wish.attrs ?? {},
        definitions: await findAttributes(client, categoryId),
        checkAll: hasMoved,
      })
    : undefined
  const all = { ...model?.texts, ...plainColumns(wish), ...columns, attrs }
  await updateRow(client, ASSET, { ...versionOf(client, id, wish), columns: all })
  return showAsset(client, id)
}

/**
 * Takes an asset out of use for good, with a reason; it stays in every list.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, CONFLICT, ROW_VERSION
 */
export async function retireAsset(client: ClientBase, id: string, input: unknown): Promise<Asset> {
  const wish = checkInput(retirement, input)
  await showAsset(client, id)
  const columns = { status: wish.status, retire_reason: wish.reason }
  await updateRow(client, ASSET, { ...versionOf(client, id, wish), columns })
  return showAsset(client, id)
}

/**
 * For what should never have been entered: out of all lists, its tag and serial free again. The record keeps it.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, ROW_VERSION, CONFLICT also while other assets belong to it
 */
export async function deleteAsset(client: ClientBase, id: string, input: unknown): Promise<void> {
  const wish = checkInput(deletion, input)
  await showAsset(client, id)
  await deleteRow(client, ASSET, { ...versionOf(client, id, wish), reason: wish.reason })
  await refuseWhileUsed(client, id, [{ table: 'asset.asset', column: 'parent_id', words: 'assets that are part' }])
}

/**
 * Takes a deletion back, or a retirement: then it stands by.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, ROW_VERSION, CONFLICT also when its tag or serial is in use meanwhile
 */
export async function restoreAsset(client: ClientBase, id: string, input: unknown): Promise<Asset> {
  const wish = checkInput(restoration, input)
  const { deleted_at, status } = await showAsset(client, id)
  const version = versionOf(client, id, wish)
  if (deleted_at === null && isRetired(status)) {
    await updateRow(client, ASSET, { ...version, columns: { status: 'standby' } })
  } else {
    await restoreRow(client, ASSET, version)
  }
  return showAsset(client, id)
}

/**
 * Notes that somebody saw it just now; one that was missing is active again. Needs no version: it is an observation.
 * @throws BioTrakrError NOT_FOUND, CONFLICT
 */
export async function confirmAsset(client: ClientBase, id: string): Promise<Asset> {
  const { deleted_at } = await showAsset(client, id)
  if (deleted_at !== null) {
    throw new BioTrakrError('This asset is deleted', { code: 'CONFLICT', next: 'Restore it first.' })
  }
  await client.query(
    `update asset.asset set last_confirmed_at = now(), last_confirmed_by = current_setting('app.actor'),
       status = case status when 'missing' then 'active' else status end
     where org_id = (select iam.current_org()) and id = $1 and deleted_at is null`,
    [id],
  )
  return showAsset(client, id)
}

function plainColumns(wish: AssetWish): Readonly<Record<string, unknown>> {
  return Object.fromEntries(PLAIN_COLUMNS.filter((name) => wish[name] !== undefined).map((name) => [name, wish[name]]))
}

function isRetired(status: string): boolean {
  return RETIRED_STATUSES.some((retired) => retired === status)
}

function versionOf(client: ClientBase, id: string, wish: { readonly row_version: number }) {
  return { id, rowVersion: wish.row_version, yours: wish, current: () => findAsset(client, id) }
}

async function standingOf(client: ClientBase, id: string): Promise<Standing> {
  const { rows } = await client.query<Standing>(
    'select facility_id, category_id, attrs from asset.asset where org_id = (select iam.current_org()) and id = $1',
    [id],
  )
  if (rows[0] === undefined) throw unknownRow(ASSET)
  return rows[0]
}
