import { listAssets } from './asset-list.ts'
import {
  changeAsset,
  confirmAsset,
  createAsset,
  deleteAsset,
  restoreAsset,
  retireAsset,
  showAsset,
} from './asset-store.ts'
import { attributes } from './attribute-catalogue.ts'
import { categories } from './category-catalogue.ts'
import { models } from './model-catalogue.ts'
import { rebuildSearchWords, searchAssets } from './search-assets.ts'
import { vendors } from './vendor-catalogue.ts'

/** Everything that is done with assets by hand, for the API and the commands. Inputs are checked inside. */
export const assetDesk = {
  list: listAssets,
  search: searchAssets,
  show: showAsset,
  create: createAsset,
  change: changeAsset,
  retire: retireAsset,
  remove: deleteAsset,
  restore: restoreAsset,
  confirm: confirmAsset,
  rebuildSearchWords,
}

/** What assets are described with, by the names of their collections. */
export const assetCatalogues = { categories, models, vendors, attributes }
