import { defineConfig } from 'vitest/config'

export default defineConfig({
  ssr: { resolve: { conditions: ['biotrakr:source'] } },
  resolve: { conditions: ['biotrakr:source'] },
  test: {
    include: ['{shared,firmware-profiles,sim,agent,cloud,embedded,test}/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    pool: 'forks',
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
})
