import { showAsset } from './asset-store.ts'
import {
  closeRecall,
  createRecall,
  decideRecall,
  findRecall,
  getRecall,
  listRecallAssets,
  listRecalls,
} from './recall-book.ts'
import { matchRecall } from './recall-match.ts'
import { getTransfer, listTransfers, requestTransfer, stepTransfer, TRANSFER_STEPS } from './transfer-book.ts'
import { createWorkOrder, findWorkOrder, getWorkOrder, listWorkOrders } from './work-order-book.ts'
import { WORK_STEPS, type WorkStep } from './work-order-states.ts'
import { stepWorkOrder } from './work-order-steps.ts'

/** What is done with assets by command. Inputs are checked inside. */
export const serviceDesk = {
  findAsset: showAsset,
  workOrders: {
    list: listWorkOrders,
    find: findWorkOrder,
    show: getWorkOrder,
    open: createWorkOrder,
    step: stepWorkOrder,
    steps: Object.keys(WORK_STEPS) as readonly WorkStep[],
  },
  recalls: {
    list: listRecalls,
    find: findRecall,
    show: getRecall,
    create: createRecall,
    match: matchRecall,
    assets: listRecallAssets,
    decide: decideRecall,
    close: closeRecall,
  },
  transfers: {
    list: listTransfers,
    show: getTransfer,
    request: requestTransfer,
    step: stepTransfer,
    steps: TRANSFER_STEPS,
  },
}
