export type { EdgeAgentStatus } from './agent-status.js';
export { composeCache } from './cache/compose-cache.js';
export {
  demoScriptSchema,
  demoTruthSchema,
  type DemoScript,
  type DemoScriptInput,
  type DemoTruth,
} from './capture/demo/script.js';
export type { CapturedFrame, FrameSource } from './capture/frame-source.js';
export { openSource } from './capture/open-source.js';
export { startEdgeAgent, type EdgeAgentSurroundings } from './composition-root.js';
export { cameraSchema } from './config/camera-config.js';
export type { EdgeAgentConfigInput } from './config/config.js';
export { loadEdgeAgentConfig } from './config/load-config.js';
export type { EdgeAgent } from './edge-agent.js';
export { defaultSparingPolicy, SearchSchedule, type Followed } from './sparing/search-schedule.js';
