import { build } from 'esbuild'

/**
 * Bundles our own code, one file per process, and leaves npm packages external: native modules stay normal installs.
 * A package counts as ours when its name starts with @biotrakr/.
 */
const entries: Record<string, string> = {
  'agent/dist/main': 'agent/src/main.ts',
  'cloud/dist/main': 'cloud/src/main.ts',
  'embedded/dist/main': 'embedded/src/main.ts',
  'embedded/dist/broker': 'embedded/src/broker-process.ts',
  'embedded/dist/leash': 'embedded/src/leash.ts',
  'test/dist/bench': 'test/bench/main.ts',
  'test/dist/store-open': 'test/bench/store-open.ts',
  'test/dist/fuzz': 'test/fuzz/main.ts',
  'test/dist/chaos': 'test/chaos/main.ts',
  'test/dist/soak': 'test/soak/main.ts',
}

await build({
  entryPoints: Object.entries(entries).map(([out, input]) => ({ in: input, out })),
  outdir: '.',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  conditions: ['biotrakr:source'],
  logLevel: 'warning',
  plugins: [
    {
      name: 'npm-packages-stay-external',
      setup(plugin) {
        plugin.onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
          kind === 'entry-point' || path.startsWith('@biotrakr/') ? undefined : { path, external: true },
        )
      },
    },
  ],
})
