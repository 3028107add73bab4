import { availableParallelism } from 'node:os'

import { defineConfig } from 'vitest/config'

export default defineConfig({
  ssr: { resolve: { conditions: ['biotrakr:source'] } },
  resolve: { conditions: ['biotrakr:source'] },
  test: {
    include: ['{shared,firmware-profiles,sim,agent,cloud,embedded,test}/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    pool: 'forks',
    // Tests with real processes mostly wait: two at a time keep two cores busy, which one does not.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Real brokers, databases and ptys share few cores there; what fails twice has failed.
    retry: process.env['CI'] ? 1 : 0,
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
})
