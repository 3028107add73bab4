import { defineConfig } from 'vitest/config'

export default defineConfig({
  ssr: { resolve: { conditions: ['biotrakr:source'] } },
  resolve: { conditions: ['biotrakr:source'] },
  test: {
    include: ['{shared,firmware-profiles,sim,agent,cloud,embedded,test}/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    pool: 'forks',
    // Real brokers, databases and ptys share few cores there; what fails twice has failed.
    retry: process.env['CI'] ? 1 : 0,
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
})
