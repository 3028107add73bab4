import packageFile from '../package.json' with { type: 'json' }

/** Version of the agent, as `--version`, hello and health say it. */
export const softwareVersion: string = packageFile.version
