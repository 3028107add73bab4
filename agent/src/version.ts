import packageFile from '../package.json' with { type: 'json' }

/** Set when a release is bundled, which may be of another version than the sources say. */
declare const BIOTRAKR_VERSION: string | undefined

/** Version of the agent, as `--version`, hello and health say it. */
export const softwareVersion: string = typeof BIOTRAKR_VERSION === 'string' ? BIOTRAKR_VERSION : packageFile.version
