/** Settles at the first request to stop; after that a second signal ends the process at once, as its user expects. */
export function askedToStop({ onStdinEnd }: { readonly onStdinEnd: boolean }): Promise<void> {
  return new Promise((resolve) => {
    const asked = () => {
      process.off('SIGTERM', asked).off('SIGINT', asked)
      process.stdin.off('end', asked).off('close', asked).pause()
      resolve()
    }
    process.on('SIGTERM', asked).on('SIGINT', asked)
    if (onStdinEnd) process.stdin.on('end', asked).on('close', asked).resume()
  })
}
