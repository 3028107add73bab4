import type { FastifyInstance } from 'fastify'
import type { ClientBase } from 'pg'

import type { Callers } from './callers.ts'

interface ReportDesk {
  list(): readonly { readonly permission: string }[]
  find(name: string): { readonly permission: string }
  run(client: ClientBase, name: string, given: unknown): Promise<unknown>
  setParLevel(client: ClientBase, wish: unknown): Promise<unknown>
  endParLevel(client: ClientBase, wish: unknown): Promise<unknown>
  addAlertRule(client: ClientBase, wish: unknown): Promise<unknown>
  endAlertRule(client: ClientBase, wish: unknown): Promise<unknown>
  listAlertRules(client: ClientBase): Promise<unknown>
  acknowledgeAlert(client: ClientBase, wish: unknown): Promise<unknown>
}

interface ReportParts {
  readonly callers: Callers
  readonly desk: ReportDesk
}

interface Named {
  readonly Params: { readonly name: string }
}

interface ById {
  readonly Params: { readonly id: string }
}

/** Reports, and what raises and counts for them. */
export function addReportRoutes(server: FastifyInstance, { callers, desk }: ReportParts): void {
  server.get('/api/v1/reports', async (request) => {
    const allowed = await Promise.all(
      desk.list().map(async (report) => {
        const reach = await callers.reaches(request, report.permission)
        return reach === undefined ? [] : [report]
      }),
    )
    return { items: allowed.flat() }
  })

  server.get<Named>('/api/v1/reports/:name', (request) => {
    const { name } = request.params
    return callers.read(request, desk.find(name).permission, (client) => desk.run(client, name, request.query))
  })

  server.get('/api/v1/alert-rules', (request) =>
    callers.read(request, 'alert.read', async (client) => ({ items: await desk.listAlertRules(client) })),
  )

  server.post('/api/v1/alert-rules', async (request, reply) => {
    reply.code(201)
    return callers.write(request, 'alert.rule.edit', (client) => desk.addAlertRule(client, request.body))
  })

  server.post<ById>('/api/v1/alert-rules/:id/end', (request) =>
    callers.write(request, 'alert.rule.edit', (client) => desk.endAlertRule(client, { id: request.params.id })),
  )

  server.post<ById>('/api/v1/alerts/:id/acknowledge', (request) => {
    const wish = { ...(typeof request.body === 'object' ? request.body : {}), id: request.params.id }
    return callers.write(request, 'alert.ack', (client) => desk.acknowledgeAlert(client, wish))
  })

  server.put('/api/v1/par-levels', (request) =>
    callers.write(request, 'alert.rule.edit', (client) => desk.setParLevel(client, request.body)),
  )

  server.post<ById>('/api/v1/par-levels/:id/end', (request) =>
    callers.write(request, 'alert.rule.edit', (client) => desk.endParLevel(client, { id: request.params.id })),
  )
}
