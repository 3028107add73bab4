import { certificationFlows } from './certification-book.ts'
import { checkoutFlows } from './checkout-book.ts'
import { contractFlows } from './contract-book.ts'
import { costFlows } from './cost-book.ts'
import { depreciationFlows } from './depreciation-job.ts'
import { inspectionFlows } from './inspection-book.ts'
import { recallFlows } from './recall-book.ts'
import { failureFlows } from './service-failure.ts'
import type { Flow } from './service-flow.ts'
import { planFlows } from './service-plan.ts'
import { sectionFlows } from './service-section.ts'
import { transferFlows } from './transfer-book.ts'
import { workOrderFlows } from './work-order-flows.ts'

/** Everything that is done with assets beyond their identity. */
export const serviceFlows: readonly Flow[] = [
  ...sectionFlows,
  ...planFlows,
  ...workOrderFlows,
  ...failureFlows,
  ...certificationFlows,
  ...inspectionFlows,
  ...contractFlows,
  ...recallFlows,
  ...transferFlows,
  ...checkoutFlows,
  ...costFlows,
  ...depreciationFlows,
]
