export type {
  CommandInfo,
  Decoded,
  Driver,
  EncodeTagsOptions,
  Fields,
  FieldValue,
  Framer,
  FramerCounters,
  Lifecycle,
  Limits,
  Params,
  ReaderSide,
  ReceivedCommand,
  ReplyMatch,
  SerialSettings,
  TagReport,
  Verdict,
} from './driver.ts'
export type { LlrpReaderInfo } from './llrp-capabilities.ts'
export { type LlrpRoSpecSettings, type LlrpSettings, settingsProblem as llrpSettingsProblem } from './llrp-commands.ts'
export { createLlrpDecoder } from './llrp-decoded.ts'
export { createLlrpFramer, type LlrpFramer } from './llrp-framer.ts'
export { decodeLlrpMessage, encodeLlrpMessage, type LlrpMessage } from './llrp-messages.ts'
export { allParameters, findParameter, type LlrpParameter, parameter } from './llrp-parameters.ts'
export {
  checkLlrpProfile,
  isBuiltIn,
  type LlrpProfile,
  type LlrpProfileCheck,
  loadLlrpProfile,
} from './llrp-profile.ts'
export { type LlrpTagReport, tagsOfReport } from './llrp-report.ts'
export { createLlrpSession } from './llrp-session.ts'
export type { LlrpAction, LlrpCounters, LlrpEvent, LlrpFailure, LlrpSession } from './llrp-session-types.ts'
export { checkProfile, type LoadOptions, loadProfile, type ProfileCheck } from './load.ts'
export type { Problem } from './problem.ts'
export type { InventoryMode, ProfileDocument } from './profile.ts'
export type { ProfileSources } from './resolve.ts'
export { tagIdOfReport } from './tag-id.ts'
export { tagMemory } from './tag-memory.ts'
