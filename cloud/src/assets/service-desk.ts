import { showAsset } from './asset-store.ts'
import { closeRecall, createRecall, decideRecall, getRecall, listRecallAssets, listRecalls } from './recall-book.ts'
import { matchRecall } from './recall-match.ts'
import { getFullAsset } from './service-section.ts'
import { listTransfers, requestTransfer, stepTransfer } from './transfer-book.ts'
import { createWorkOrder, findWorkOrder, getWorkOrder, listWorkOrders } from './work-order-book.ts'
import { stepWorkOrder } from './work-order-steps.ts'

export type { TransferStep } from './transfer-book.ts'
export type { WorkStep } from './work-order-states.ts'

/** What is done with assets by command. Inputs are checked inside. */
export const serviceDesk = {
  findAsset: showAsset,
  fullAsset: getFullAsset,
  workOrders: {
    list: listWorkOrders,
    find: findWorkOrder,
    show: getWorkOrder,
    open: createWorkOrder,
    step: stepWorkOrder,
  },
  recalls: {
    list: listRecalls,
    show: getRecall,
    create: createRecall,
    match: matchRecall,
    assets: listRecallAssets,
    decide: decideRecall,
    close: closeRecall,
  },
  transfers: { list: listTransfers, request: requestTransfer, step: stepTransfer },
}
