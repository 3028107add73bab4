import { type Flow, param } from './service-flow.ts'
import { addWorkLine, changeWorkOrder, createWorkOrder, getWorkOrder, listWorkOrders } from './work-order-book.ts'
import { WORK_STEPS, type WorkStep } from './work-order-states.ts'
import { stepWorkOrder } from './work-order-steps.ts'

const PATH = '/api/v1/work-orders'

const steps = (Object.keys(WORK_STEPS) as WorkStep[]).map(
  (step): Flow => ({
    method: 'POST',
    path: `${PATH}/:id/${step}`,
    permission: WORK_STEPS[step].permission,
    run: (client, input) => stepWorkOrder(client, step, { id: param(input), body: input.body }),
  }),
)

export const workOrderFlows: readonly Flow[] = [
  {
    method: 'GET',
    path: PATH,
    permission: 'work.read',
    run: async (client, { query }) => ({ items: await listWorkOrders(client, query) }),
  },
  {
    method: 'POST',
    path: PATH,
    permission: 'work.create',
    creates: true,
    run: (client, { body }) => createWorkOrder(client, body),
  },
  {
    method: 'GET',
    path: `${PATH}/:id`,
    permission: 'work.read',
    run: (client, input) => getWorkOrder(client, param(input)),
  },
  {
    method: 'PATCH',
    path: `${PATH}/:id`,
    permission: 'work.assign',
    run: (client, input) => changeWorkOrder(client, param(input), input.body),
  },
  {
    method: 'POST',
    path: `${PATH}/:id/lines`,
    permission: 'work.close',
    creates: true,
    run: (client, input) => addWorkLine(client, param(input), input.body),
  },
  ...steps,
]
