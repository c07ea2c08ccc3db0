export {
  demoScriptSchema,
  demoTruthSchema,
  type DemoScript,
  type DemoScriptInput,
  type DemoTruth,
} from './capture/demo/script.js';
export { startEdgeAgent } from './composition-root.js';
export { loadEdgeAgentConfig, type EdgeAgentConfigInput } from './config/config.js';
export type { EdgeAgent, EdgeAgentStatus } from './edge-agent.js';
