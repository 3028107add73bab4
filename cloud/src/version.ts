import packageFile from '../package.json' with { type: 'json' }

/** Version of the centre's programs, as `--version` and health say it. */
export const softwareVersion: string = packageFile.version
