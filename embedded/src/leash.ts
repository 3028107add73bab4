/**
 * Loaded ahead of every Node process that the launcher starts (`node --import`). A launcher that is killed cannot end
 * its children, so they look after it themselves: once their parent is another process, they end as if asked to, and
 * for certain a little later.
 */
const launcher = Number(process.env['BIOTRAKR_LAUNCHER'])
const LOOK_EVERY_MS = 500
const PATIENCE_MS = 20_000

const watch = setInterval(() => {
  if (process.ppid === launcher) return
  clearInterval(watch)
  setTimeout(() => process.exit(1), PATIENCE_MS).unref()
  process.kill(process.pid, 'SIGTERM')
}, LOOK_EVERY_MS)
watch.unref()
